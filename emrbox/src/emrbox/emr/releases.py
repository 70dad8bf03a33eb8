"""EMR's releases: labels, applications, which instance types they run on, and configuration classifications.

Sources: the labels of each region and the instance types of each label are answers of AWS that moto comes
with (ListReleaseLabels, ListSupportedInstanceTypes); application_versions.py names the others. A label is
here when the applications of its release are known. docs/aws_facts.md 2.7 has the classifications.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from moto.utilities.utils import load_resource

from emrbox.config import REGION
from emrbox.emr import instance_types
from emrbox.emr.application_versions import CHANGES, FIRST, LAST, SPARK_8

# The software of all nodes, whatever label their cluster has: other releases' is not public.
SOFTWARE = "emr-spark-8.0.0"
INSTALLED = ("Hadoop", "Spark")
SPARK_8_OS_RELEASE = "2023.12.20260629.0"
UNKNOWN, ABSENT = "?", "-"
_NUMBERED = re.compile(r"emr-(\d+)\.(\d+)\.(\d+)")
_RESOURCES = "emr/resources"
_LARGER_ROOT_FROM, _LEAST_ROOT_GB, _LEAST_ROOT_GB_BEFORE = "6.10.0", 15, 10


@dataclass(frozen=True)
class Release:
    """One release label: its applications with their versions, None for one that the sources do not show."""

    label: str
    applications: dict[str, str | None]
    os_release: str | None = None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _version(changes: str, release: tuple[int, ...]) -> str:
    """Return what a line of changes says of a release."""
    found = ABSENT
    for change in changes.split():
        since, version = change.split("=")
        if _number(since)[0] == release[0] and _number(since) <= release:
            found = version
    return found


def _release(label: str) -> Release | None:
    """Return the release of a label; None if its applications are not known."""
    if label == SOFTWARE:
        return Release(label, dict(SPARK_8), SPARK_8_OS_RELEASE)
    match = _NUMBERED.fullmatch(label)
    release = tuple(map(int, match.groups())) if match else ()
    if not release or not _number(FIRST) <= release <= _number(LAST.get(str(release[0]), "0")):
        return None
    versions = {name: _version(changes, release) for name, changes in CHANGES.items()}
    return Release(label, {n: None if v == UNKNOWN else v for n, v in versions.items() if v != ABSENT})


def _labels(region: str) -> list[str]:
    try:
        return list(load_resource(f"{_RESOURCES}/release-labels-{region}.json"))
    except FileNotFoundError:
        return []


# As EMR lists them: the newest first, EMR Spark last.
RELEASES = {label: one for label in _labels(REGION) if (one := _release(label)) is not None}


@cache
def in_region(region: str) -> list[Release]:
    """Return the releases of a region, as EMR lists them; none in a region that has no EMR."""
    return [RELEASES[label] for label in _labels(region) if label in RELEASES]


@cache
def types_of(label: str) -> frozenset[str]:
    """Return the names of the instance types on which a release runs, of those that EC2 still has."""
    supported = load_resource(f"{_RESOURCES}/instance-types-{label}.json")
    return frozenset(supported) & frozenset(instance_types.by_name())


def is_before(label: str, version: str) -> bool:
    """Whether a release that is here is older than a version of EMR, such as `6.10.0`."""
    match = _NUMBERED.fullmatch(label)
    return match is not None and tuple(map(int, match.groups())) < _number(version)


def least_root_gb(label: str) -> int:
    """Return the least size of the root volume, GiB, of a release that is here (docs/aws_facts.md 2.6)."""
    return _LEAST_ROOT_GB_BEFORE if is_before(label, _LARGER_ROOT_FROM) else _LEAST_ROOT_GB


ENV_CLASSIFICATIONS = frozenset({"hadoop-env", "yarn-env", "mapred-env", "spark-env"})
XML_CLASSIFICATIONS = frozenset({"core-site", "hdfs-site", "yarn-site", "mapred-site", "capacity-scheduler"})
# Written where EMR puts them; what would read them (Hive, EMRFS) is not on emrbox's nodes.
SILENT_CLASSIFICATIONS = {
    "hive-site": "/etc/hive/conf/hive-site.xml",
    "spark-hive-site": "/etc/spark/conf/hive-site.xml",
    "emrfs-site": "/usr/share/aws/emr/emrfs/conf/emrfs-site.xml",
}
PROPERTIES_CLASSIFICATIONS = frozenset({"spark-defaults", "spark-log4j2", "spark-metrics", "hadoop-log4j"})
# Only a rule by which others are derived.
SWITCH_CLASSIFICATIONS = frozenset({"spark"})
CLASSIFICATIONS = (
    ENV_CLASSIFICATIONS
    | XML_CLASSIFICATIONS
    | PROPERTIES_CLASSIFICATIONS
    | SWITCH_CLASSIFICATIONS
    | set(SILENT_CLASSIFICATIONS)
)
