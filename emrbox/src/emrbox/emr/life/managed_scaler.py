"""Managed scaling of one cluster: what managed_scaling.py decides is what groups and fleets want."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr import ids
from emrbox.emr.life import decisions, managed_scaling
from emrbox.emr.life.managed_scaling import Balance, Limits, Pool
from emrbox.emr.life.model import MAXIMUM_INSTANCES_IN_GROUP, SPOT, Group, Status
from emrbox.emr.life.resizing import MANAGED_SCALING, want
from emrbox.emr.life.states import GroupState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.load import Load
    from emrbox.emr.life.model import Units

# How long there must have been more nodes than needed before some leave, and how long containers must have
# waited before a node is added although the memory would do. A guess: EMR's numbers are not documented.
SETTLED = timedelta(seconds=30)
# How long a group or fleet that did not get its instances is left alone, while others grow instead. A guess.
GIVEN_UP = timedelta(seconds=300)
TASK = "TASK"


class ManagedScaler:
    """Managed scaling: one policy for all core and task nodes, looked at every few seconds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster
        self._last = self._since = context.now
        self._balance = Balance.EVEN  # since `_since`
        self._had_policy = False

    def is_due(self) -> bool:
        """Whether the load is to be read now."""
        has_policy = self._cluster.managed_scaling is not None
        is_new, self._had_policy = has_policy and not self._had_policy, has_policy
        interval = self._context.layer.pace.scaling
        is_time = interval is None or self._context.now >= self._last + timedelta(seconds=interval)
        return has_policy and (is_new or is_time)

    def moments(self) -> list[datetime]:
        """Return when the load is to be read next, unless that is beside every turn."""
        now, interval = self._context.now, self._context.layer.pace.scaling
        if not self._had_policy:
            return []
        if interval is not None:
            return [self._last + timedelta(seconds=interval)]
        retries = [self._left_alone_until(group) for group in self._groups()]
        return [moment for moment in (self._since + SETTLED, *retries) if moment is not None and moment > now]

    def act(self, load: Load | None) -> None:
        """Let groups and fleets want what the policy and the load ask for."""
        self._last = self._context.now
        policy = self._cluster.managed_scaling
        if load is None or policy is None:
            return
        limits = Limits.of(policy)
        pools = [pool for group in self._groups() for pool in self._pools(group, limits, load)]
        needed = self._needed(load, limits, sum(pool.units for pool in pools))
        pools += self._new_pools(limits, pools)
        before = {(pool.group_id, pool.market): pool.size for pool in pools}
        found = managed_scaling.wished(limits, pools, needed)
        after = {(pool.group_id, pool.market): pool.size for pool in found}
        self._apply({key: size for key, size in after.items() if size != before[key]})

    def _needed(self, load: Load, limits: Limits, size: int) -> int:
        """Return how many units are needed of those that the cluster has, or has asked for."""
        instances = [instance for group in self._groups() for instance in group.present]
        running = sum(limits.size_of(i.type) for i in instances if i.ec2_id in load.nodes)
        needed = managed_scaling.needed_units(load, running)
        balance = managed_scaling.balance(load, needed, size)
        if balance is not self._balance:
            self._balance, self._since = balance, self._context.now
        is_settled = self._context.now >= self._since + SETTLED
        if balance is Balance.SHORT:
            # After a while they may not fit into what is left of each node.
            return max(needed, size, running + 1 if is_settled else 0)
        return needed if balance is Balance.AMPLE and is_settled else size

    def _groups(self) -> list[Group]:
        return [group for group in self._cluster.groups if group.role != "MASTER"]

    def _pools(self, group: Group, limits: Limits, load: Load) -> Iterator[Pool]:
        is_given_up = decisions.is_given_up(group)
        until = self._left_alone_until(group)
        least = decisions.least_units(self._cluster, group)
        for market, target in group.targets.items():
            size = group.provisioned(market) if is_given_up else target
            working = sum(
                i.type.weight
                for i in group.present
                if i.fills == market and i.ec2_id in load.nodes - load.idle
            )
            yield Pool(
                group.id,
                group.role,
                market,
                size,
                idle=max(0, size - working),
                least=min(least, size),
                most=MAXIMUM_INSTANCES_IN_GROUP * min(one.weight for one in group.types),
                cost=limits.cost(group),
                can_grow=until is None or until <= self._context.now,
            )
            least -= min(least, size)

    def _left_alone_until(self, group: Group) -> datetime | None:
        """Return until when a group that did not get its instances is not asked to grow."""
        if group.resize is None or not decisions.is_given_up(group):
            return None
        return group.resize.started + GIVEN_UP

    def _new_pools(self, limits: Limits, pools: list[Pool]) -> list[Pool]:
        """Return the task group that EMR makes when spot instances are needed and no group may have them.

        "If there is no Spot Instance in the task instance group, Amazon EMR managed scaling creates a task
        group using Spot Instances when needed." That it is of the core group's type is a guess.
        """
        core = next((g for g in self._groups() if g.role == managed_scaling.CORE and not g.fleet), None)
        has_one = any(pool.role == TASK and pool.market == SPOT for pool in pools)
        if core is None or has_one or limits.maximum_on_demand >= limits.maximum:
            return []
        return [Pool("", TASK, SPOT, 0, most=MAXIMUM_INSTANCES_IN_GROUP, cost=limits.cost(core))]

    def _apply(self, sizes: dict[tuple[str, str], int]) -> None:
        changes: dict[str, Units] = {}
        for (group_id, market), size in sizes.items():
            changes.setdefault(group_id, {})[market] = size
        for group_id, change in changes.items():
            group = next((g for g in self._cluster.groups if g.id == group_id), None) or self._new_group()
            targets = {**group.targets, **change}
            want(self._cluster, group, targets, self._context.now, by=MANAGED_SCALING)

    def _new_group(self) -> Group:
        core = next(group for group in self._cluster.groups if group.role == managed_scaling.CORE)
        status = Status(GroupState.PROVISIONING, self._context.now)
        group = Group(ids.group_id(), "Task", TASK, list(core.types), {SPOT: 0}, status)
        self._cluster.groups.append(group)
        return group
