"""Which instance types a fleet takes, and which of several places a cluster. Decided from tables alone.

Sources: botocore's model (TargetOnDemandCapacity, Priority, AllocationStrategy), Management Guide "Configure
instance fleets", EC2 User Guide "Allocation strategies for Spot Instances".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from emrbox.emr import instance_types
from emrbox.emr.life.model import SPOT

if TYPE_CHECKING:
    from emrbox.emr.life.model import Group, Place, TypeConfig

# How many instances EC2 still has, by role, type with its bid, market, zone; infinite if nothing limits it.
Room = Callable[[str, "TypeConfig", str, str | None], float]
DIVERSIFIED = "diversified"
Key = Callable[["TypeConfig", float], Any]


def _price(one: TypeConfig, _room: float) -> float:
    """EC2's lowest-price strategy goes by the price of a unit."""
    return instance_types.by_name()[one.name].usd_per_hour / one.weight


def _priority(one: TypeConfig, _room: float) -> float:
    return math.inf if one.priority is None else one.priority


def _room(one: TypeConfig, room: float) -> float:  # noqa: ARG001  # the other keys look at the type
    return -room


# What comes first in each strategy. Spot prices are not known here, so that on-demand ones stand for them.
ORDERS: dict[str, tuple[Key, ...]] = {
    "lowest-price": (_price,),
    "prioritized": (_priority, _price),
    "capacity-optimized": (_room,),
    "capacity-optimized-prioritized": (_room, _priority),
    "price-capacity-optimized": (_room, _price),
    DIVERSIFIED: (_price,),
}
# On demand lowest-price is the default of the model; that of spot instances at a launch is a guess.
DEFAULT_AT_LAUNCH = "lowest-price"
DEFAULT_SPOT_AT_RESIZE = "price-capacity-optimized"  # releases 6.9 and later


def strategy_of(group: Group, market: str) -> str:
    """Return the allocation strategy by which a fleet buys in this market now."""
    if group.fleet is None:
        return DEFAULT_AT_LAUNCH
    kind = "Spot" if market == SPOT else "OnDemand"
    if group.status.ready is None:
        return str(
            group.fleet.launch.get(f"{kind}Specification", {}).get("AllocationStrategy", DEFAULT_AT_LAUNCH)
        )
    default = DEFAULT_SPOT_AT_RESIZE if market == SPOT else DEFAULT_AT_LAUNCH
    return str(group.fleet.resize.get(f"{kind}ResizeSpecification", {}).get("AllocationStrategy", default))


def in_order(group: Group, market: str, zone: str | None, room: Room) -> list[TypeConfig]:
    """Return the instance types in the order in which they are bought; equals as the request has them."""
    keys = ORDERS[strategy_of(group, market)]

    def rank(one: TypeConfig) -> tuple[Any, ...]:
        left = room(group.role, one, market, zone)
        return tuple(key(one, left) for key in keys)

    return sorted(group.types, key=rank)


def count_for(units: int, one: TypeConfig, kinds: int = 1) -> int:
    """Return how many instances give a type's share of units, where `kinds` types share them."""
    return math.ceil(math.ceil(units / kinds) / one.weight)


def best_place(groups: Sequence[Group], places: Sequence[Place], room: Room) -> Place:
    """Return the place where the most of what all groups want is there; of equals the first.

    "Amazon EMR evaluates them and launches instances in the optimal subnet" (model). That only capacity
    makes it optimal is a guess.
    """

    def reachable(place: Place) -> float:
        return sum(
            min(
                target,
                sum(room(group.role, one, market, place.zone) * one.weight for one in group.types),
            )
            for group in groups
            for market, target in group.targets.items()
            if target
        )

    return max(places, key=reachable)
