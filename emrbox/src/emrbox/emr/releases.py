"""What EMR releases contain and which instance types there are, as far as emrbox serves them.

Sources: docs/aws_facts.md 2.2 (emr-spark-8.0.0: Spark 4.0.2, JDK 17), 2.7 (classifications).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """One release label: the applications that a cluster may ask for, with their versions."""

    label: str
    applications: dict[str, str]
    os_release: str


# The release notes name no Hadoop version (docs/aws_facts.md 14.10); Spark 4.0.2 is built with 3.4.1.
_APPLICATIONS = {"Hadoop": "3.4.1", "Spark": "4.0.2"}
# Of the older form of label, which clients like mrjob take apart. It is an alias: its nodes are those of
# emr-spark-8.0.0, and answers say what really runs (AWS's emr-7.13.0 has Spark 3.5.6 and Hadoop 3.4.2).
STAND_INS = {"emr-7.13.0": "emr-spark-8.0.0"}
RELEASES = {
    label: Release(label, _APPLICATIONS, "2023.12.20260629.0") for label in ("emr-spark-8.0.0", *STAND_INS)
}

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


@dataclass(frozen=True)
class InstanceType:
    """An instance type in ListSupportedInstanceTypes, and its normalized instance hours."""

    name: str
    vcpu: int
    memory_gb: float
    units_per_hour: int
    usd_per_hour: float  # on demand
    disks: tuple[int, int] = (0, 0)  # of its own: how many, and GB of each

    @property
    def ebs_only(self) -> bool:
        """Whether it has no disks of its own."""
        return self.disks == (0, 0)


# Of all families here: vCPUs, normalized units, and the disks of those that have some ("d").
_SIZES = {
    "large": (2, 4, (1, 75)),
    "xlarge": (4, 8, (1, 150)),
    "2xlarge": (8, 16, (1, 300)),
    "4xlarge": (16, 32, (2, 300)),
    "8xlarge": (32, 64, (2, 600)),
}


def _family(family: str, gb_per_vcpu: float, usd_per_vcpu: float) -> list[InstanceType]:
    return [
        InstanceType(
            f"{family}.{size}",
            vcpu,
            vcpu * gb_per_vcpu,
            units,
            vcpu * usd_per_vcpu,
            disks if family.endswith("d") else (0, 0),
        )
        for size, (vcpu, units, disks) in _SIZES.items()
        if not (family == "m5" and size == "large")  # docs/aws_facts.md 2.2: not in the supported list
    ]


# A guess: the prices are those of us-east-1 as remembered. What follows from them is which type is cheaper,
# and a bid in percent.
INSTANCE_TYPES = {
    t.name: t
    for t in [
        *_family("m5", 4, 0.048),
        *_family("m5d", 4, 0.0565),
        *_family("m6i", 4, 0.048),
        *_family("m7i", 4, 0.0504),
        *_family("c5", 2, 0.0425),
        *_family("c6i", 2, 0.0425),
        *_family("r5", 8, 0.063),
        *_family("r5d", 8, 0.072),
        *_family("r6i", 8, 0.063),
    ]
}


def bid(instance_type: str, price: str | None, percent: float | None) -> str | None:
    """Return the most that a spot instance may cost, in USD an hour; None if nothing limits it."""
    if price is not None or percent is None:
        return price
    return f"{INSTANCE_TYPES[instance_type].usd_per_hour * percent / 100:.4f}"
