"""Whether EMR has what a cluster is launched with: the release, its applications, the instance types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.error_codes import REFUSALS
from kiln.errors import AwsError, UsageError
from kiln.settings.model import CLUSTER_PREFIX
from kiln.settings.names import did_you_mean
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiln.aws.effects import Effects
    from kiln.settings.model import ClusterShape, Driver

_TYPE_FIELDS = ("master_instance_type", "core_instance_type", "task_instance_type")


def check(effects: Effects, driver: Driver, shape: ClusterShape) -> None:
    """Raise UsageError that names all that EMR does not have.

    A caller who may not ask passes: RunJobFlow refuses the launch then, before anything costs money.
    """
    found = Problems()
    try:
        for error in _problems(effects, driver, shape):
            found.add(error)
    except AwsError as error:
        if error.code not in REFUSALS:
            raise
    found.raise_any()


def _problems(effects: Effects, driver: Driver, shape: ClusterShape) -> Iterator[UsageError]:
    label = shape.release_label
    applications = effects.release_applications(label)
    if applications is None:
        yield UsageError(
            f"emr_cluster_release_label is {label}: EMR has no such release in {driver.aws_region}",
            fix=f"take one that `aws emr list-release-labels --region {driver.aws_region}` shows",
        )
        return
    known = {name.lower(): name for name in applications}
    for at, name in enumerate(shape.applications):
        if name.lower() not in known:
            yield UsageError(
                f"emr_cluster_applications[{at}] is {name}: {label} does not have it"
                f"{did_you_mean(name, applications)}",
                fix=f"take it out there, or another release; {label} has {', '.join(sorted(applications))}",
            )
    supported = effects.supported_instance_types(label)
    for key, name in _instance_types(driver, shape):
        if name not in supported:
            yield UsageError(
                f"{key} is {name}: {label} does not run on it in {driver.aws_region}"
                f"{did_you_mean(name, supported)}",
                fix=f"take a type that `aws emr list-supported-instance-types --release-label {label}` shows",
            )


def _instance_types(driver: Driver, shape: ClusterShape) -> Iterator[tuple[str, str]]:
    """Yield the settings with an instance type, and the type, of all attempts of a run."""
    used = {"core_instance_type": shape.core_count, "task_instance_type": shape.task_count}
    for field in _TYPE_FIELDS:
        if used.get(field, 1) and getattr(shape, field):
            yield f"{CLUSTER_PREFIX}{field}", getattr(shape, field)
    for at, alternative in enumerate(driver.kiln_alternatives):
        for field in _TYPE_FIELDS:
            if getattr(alternative, field):
                yield f"kiln_alternatives[{at}].{field}", getattr(alternative, field)
