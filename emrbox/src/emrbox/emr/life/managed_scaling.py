"""How managed scaling changes the sizes of groups and fleets. Decided from tables and numbers alone.

Sources: botocore's model (ComputeLimits), Management Guide "Understanding node allocation strategy and
scenarios". By which numbers EMR decides how many nodes a load needs is not documented: that it goes by
memory, and lets only nodes without containers leave, is a guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from emrbox.emr import instance_types
from emrbox.emr.life.model import MARKETS, MAXIMUM_INSTANCES_IN_GROUP, ON_DEMAND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emrbox.emr.life.load import Load
    from emrbox.emr.life.model import Group, TypeConfig

VCPU = "VCPU"
CORE = "CORE"
# What grows first; what shrinks first is the other way round.
ROLES = (CORE, "TASK")


@dataclass(frozen=True)
class Limits:
    """ComputeLimits: units, instances or vCPUs of all core and task nodes together."""

    unit_type: str
    minimum: int
    maximum: int
    maximum_on_demand: int
    maximum_core: int

    @classmethod
    def of(cls, policy: Mapping[str, Any]) -> Limits:
        """Read a ManagedScalingPolicy. Without maxima of their own, all may be on demand, and core nodes."""
        found = policy["ComputeLimits"]
        maximum = found["MaximumCapacityUnits"]
        return cls(
            unit_type=found["UnitType"],
            minimum=found["MinimumCapacityUnits"],
            maximum=maximum,
            maximum_on_demand=found.get("MaximumOnDemandCapacityUnits", maximum),
            maximum_core=found.get("MaximumCoreCapacityUnits", maximum),
        )

    def cost(self, group: Group) -> int:
        """Return how many units of the limits one unit of a group's or fleet's target is."""
        return instance_types.by_name()[group.type.name].vcpu if self.unit_type == VCPU else 1

    def size_of(self, one: TypeConfig) -> int:
        """Return how many units of the limits an instance of this type is."""
        return instance_types.by_name()[one.name].vcpu if self.unit_type == VCPU else one.weight


@dataclass(frozen=True)
class Pool:
    """What is scaled as one: an instance group, or the part of a fleet that is in one market.

    `size`, `idle`, `least` and `most` are in units of its target, of which one is `cost` units of the limits.
    """

    group_id: str
    role: str
    market: str
    size: int
    idle: int = 0  # of these, those that do not work or are not there yet
    least: int = 0
    most: int = MAXIMUM_INSTANCES_IN_GROUP
    cost: int = 1
    can_grow: bool = True

    @property
    def units(self) -> int:
        """Its size in units of the limits."""
        return self.size * self.cost


class Balance(Enum):
    """How a load and the nodes for it compare."""

    SHORT = "containers wait"
    EVEN = "all run"
    AMPLE = "fewer nodes would do"


def balance(load: Load, needed: int, size: int) -> Balance:
    """Compare a load, and the units that it needs, with the units that there are."""
    if load.containers_pending > 0:
        return Balance.SHORT
    return Balance.AMPLE if needed < size else Balance.EVEN


def needed_units(load: Load, running: int) -> int:
    """Return how many units the load needs, of which `running` give YARN its memory now."""
    if running == 0 or load.total_mb == 0:
        return running + (load.containers_pending > 0)
    return math.ceil((load.allocated_mb + load.pending_mb) * running / load.total_mb)


def wished(limits: Limits, pools: Sequence[Pool], needed: int) -> list[Pool]:
    """Return the pools with the sizes that they should have for `needed` units."""
    goal = min(max(needed, limits.minimum), limits.maximum)
    in_order = sorted(pools, key=lambda pool: (ROLES.index(pool.role), MARKETS.index(pool.market)))
    if goal > _total(pools):
        return _grown(limits, in_order, goal)
    found = _shrunk(in_order, goal, only_idle=True)
    return _shrunk(found, limits.maximum, only_idle=False)


def _total(pools: Sequence[Pool]) -> int:
    return sum(pool.units for pool in pools)


def _grown(limits: Limits, pools: Sequence[Pool], goal: int) -> list[Pool]:
    """Grow core nodes before task nodes, on-demand instances before spot ones, each up to its limit."""
    found = list(pools)
    for number, pool in enumerate(pools):
        total = _total(found)
        room = [limits.maximum - total]
        if pool.role == CORE:
            room.append(limits.maximum_core - _total([p for p in found if p.role == CORE]))
        if pool.market == ON_DEMAND:
            room.append(limits.maximum_on_demand - _total([p for p in found if p.market == ON_DEMAND]))
        more = min(math.ceil((goal - total) / pool.cost), min(room) // pool.cost, pool.most - pool.size)
        if pool.can_grow and more > 0:
            found[number] = replace(pool, size=pool.size + more)
    return found


def _shrunk(pools: Sequence[Pool], goal: int, *, only_idle: bool) -> list[Pool]:
    """Let task nodes leave before core nodes, spot instances before on-demand ones."""
    found = list(pools)
    for number in reversed(range(len(pools))):
        pool, too_many = pools[number], _total(found) - goal
        # Above the maximum the last one leaves whole; what only idles leaves the goal reached.
        fewer = too_many // pool.cost if only_idle else math.ceil(too_many / pool.cost)
        fewer = min(fewer, pool.size - pool.least, pool.idle if only_idle else pool.size)
        if fewer > 0:
            found[number] = replace(pool, size=pool.size - fewer, idle=max(0, pool.idle - fewer))
    return found
