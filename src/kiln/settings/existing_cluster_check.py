"""What is wrong with the setting of an existing cluster, and with steps that would act on those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.errors import UsageError
from kiln.settings.existing_cluster import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.settings.existing_cluster import ExistingCluster
    from kiln.settings.model import StepSettings


def problems(wanted: ExistingCluster, steps: Sequence[StepSettings], label: str) -> Iterator[UsageError]:
    """Yield each as an error; `label` is the place of the setting."""
    if wanted.id and wanted.tags:
        yield UsageError(f"{label}: {KEY} has both id and tags", fix="name the cluster by one of them")
    if not wanted.is_named:
        for name in (phases.PROVISION.name, phases.DEPLOY.name):
            if getattr(wanted, name):
                yield UsageError(
                    f"{label}: {KEY}.{name} is true, and no cluster is named",
                    fix=f"add id or tags there, or remove {name}",
                )
        return
    for step in steps:
        if step.action_on_failure != "CONTINUE":
            yield UsageError(
                f"{label}: the step {step.name} has action_on_failure {step.action_on_failure}, which would "
                f"act on the steps of others on the cluster of {KEY}",
                fix="set it to CONTINUE: a failed step fails its run all the same",
            )
