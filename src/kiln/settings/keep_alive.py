"""The setting `emr_cluster_keep_alive`: without it the steps are part of the launch, and need no driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kiln.settings.model import ClusterShape, Driver

KEY = "emr_cluster_keep_alive"


def problems(
    driver: Driver, shape: ClusterShape, node_work: Mapping[str, Sequence[str]], label: str
) -> Iterator[UsageError]:
    """Yield what a cluster that ends by itself cannot do; `node_work` is that of settings.node_work."""
    if shape.keep_alive or driver.emr_cluster_existing.is_named:
        return
    if not driver.steps:
        yield UsageError(
            f"{label}: {KEY} is false, and there are no steps: EMR would end the cluster at once",
            fix="add steps, or remove it",
        )
    if shape.step_concurrency_level > 1:
        yield UsageError(
            f"{label}: {KEY} is false, and emr_cluster_step_concurrency_level is "
            f"{shape.step_concurrency_level}: EMR would not wait for the steps that others need",
            fix="set one of them to its default",
        )
    for name in (step.name for step in driver.steps if step.always):
        yield UsageError(
            f"{label}: {KEY} is false, and the step {name} is `always`: after a failure EMR begins no step",
            fix=f"remove `always` there, or {KEY}",
        )
    has_image = driver.emr_cluster_image != "none" or bool(shape.custom_ami_id)
    for phase, keys in node_work.items():
        # An image has what provision puts on nodes, and the launch makes sure that there is one.
        is_baked = has_image and phase == phases.PROVISION.name
        for key in () if is_baked else keys:
            image = " an image (emr_cluster_image)," if phase == phases.PROVISION.name else ""
            yield UsageError(
                f"{label}: {KEY} is false, and {key} asks for {phase}: the steps begin before it",
                fix=f"use{image} files in S3 and bootstrap actions in place of {key}, or remove {KEY}",
            )
