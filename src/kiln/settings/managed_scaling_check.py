"""What is wrong with the limits of managed scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.errors import UsageError
from kiln.settings.managed_scaling import KEY, ManagedScaling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiln.settings.model import ClusterShape


def problems(shape: ClusterShape, label: str) -> Iterator[UsageError]:
    """Yield the limits that EMR would refuse (docs/aws_facts.md 2.5); `label` is their place."""
    limits = shape.managed_scaling
    if not limits.is_on:
        if limits != ManagedScaling():
            yield UsageError(
                f"{label}: {KEY} has no maximum_instances, so that its other limits have no effect",
                fix=f"set {KEY}.maximum_instances there, or remove the others",
            )
        return
    if shape.core_count == 0:
        yield UsageError(
            f"{label}: {KEY} is set, and emr_cluster_core_count is 0: there is no group that EMR could scale",
            fix=f"set emr_cluster_core_count to 1 or more, or remove {KEY}",
        )
    most = limits.maximum_instances
    on_demand = most if limits.maximum_on_demand_instances is None else limits.maximum_on_demand_instances
    core = limits.maximum_core_instances
    if not 1 <= limits.minimum_instances <= most:
        yield _outside(
            label, "minimum_instances", limits.minimum_instances, f"1 to maximum_instances ({most})"
        )
    if on_demand > most:
        yield _outside(label, "maximum_on_demand_instances", on_demand, f"0 to maximum_instances ({most})")
    if core is not None and not 1 <= core <= most:
        yield _outside(label, "maximum_core_instances", core, f"1 to maximum_instances ({most})")
    elif core is not None and shape.core_market == "ON_DEMAND" and core > on_demand:
        yield _outside(
            label, "maximum_core_instances", core, f"at most maximum_on_demand_instances ({on_demand})"
        )


def _outside(label: str, name: str, value: int, allowed: str) -> UsageError:
    return UsageError(f"{label}: {KEY}.{name} is {value}; it has to be {allowed}", fix="correct it there")
