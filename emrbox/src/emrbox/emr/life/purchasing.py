"""Instances that groups and fleets lack are bought from EC2.

A group gets all its instances at once or fails. A fleet takes what there is of its types, and waits for more:
its spot instances that EC2 has not given yet are AWAITING_FULFILLMENT.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr import ids
from emrbox.emr.life import allocation, endings, notices
from emrbox.emr.life.layer import NoCapacityError, StartFailureError
from emrbox.emr.life.model import ON_DEMAND, SPOT, Instance, Purchase, Status
from emrbox.emr.life.procedures import Until
from emrbox.emr.life.states import InstanceState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.model import Group, Resize, TypeConfig
    from emrbox.emr.life.procedures import Procedure

# Between tries for missing capacity, the longer it is missing. A guess: EMR only says that it goes on trying.
LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS = 30.0, 300.0
TERMINATE = "TERMINATE_CLUSTER"
NAMES = {ON_DEMAND: "On-Demand", SPOT: "Spot"}  # of markets, in messages
OUT_OF_CAPACITY = "Amazon EC2 does not have enough capacity"
Short = dict[str, list[str]]  # instance types by market


class Purchasing:
    """The purchases of one cluster."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster
        self._stuck: dict[str, Resize] = {}  # the last resize of each fleet that had to wait

    def place(self) -> Procedure[None]:
        """Choose where the cluster is launched."""
        places = yield from self._context.do("places", self._context.layer.places)
        best = allocation.best_place(self._cluster.groups, places, self._context.layer.room)
        cluster = self._cluster
        cluster.subnet_id, cluster.availability_zone, cluster.vpc_id = best.subnet_id, best.zone, best.vpc_id
        if len(places) > 1:  # there is an event for the choice, in the state that the cluster is in already
            cluster.announce(cluster, cluster.status.state, self._context.now)

    def fill(self, groups: Sequence[Group]) -> Procedure[None]:
        """Get all that the groups of a new cluster want. Raises StartFailureError."""
        while True:
            for group in groups:
                yield from self.buy(group)
                self._context.check()
            short = [group for group in groups if group.is_short]
            if not short:
                break
            if not self._act_on_time_outs(short):
                deadlines = [self._launch_deadline(group) for group in short]
                yield from self._pause(self._cluster.status.created, deadlines)
        for group in groups:
            if group.fleet:
                group.fleet.switched = False

    def buy(self, group: Group) -> Procedure[list[Instance]]:
        """Get what a group lacks, for a fleet what there is of it. Returns the new instances.

        Raises StartFailureError.
        """
        short: Short = {}
        if group.fleet is None:
            purchase = Purchase(group.type, group.market, group.lacks(group.market), group.market)
            try:
                return (yield from self._launch(group, purchase))
            except NoCapacityError:
                self._report(group, {group.market: [group.type.name]})
                raise
        bought: list[Instance] = []
        for market in group.targets:
            if not self._is_timed_out(group, market):
                bought += yield from self._buy_types(group, market, short)
        if short and group.is_short and self._context.is_live:
            self._report(group, short)
        return bought

    def _report(self, group: Group, short: Short) -> None:
        """Report that EC2 has too little of some types, by market."""
        kind = notices.SHORT_AT_START if group.resize is None else notices.SHORT_AT_RESIZE
        found = [
            f"insufficient {NAMES[market]} capacity for instance types [{', '.join(types)}]"
            for market, types in short.items()
        ]
        zone = self._cluster.availability_zone
        self._context.notify(kind, group, short=" and ".join(found), zone=zone)

    def is_stopped(self, group: Group) -> bool:
        """Whether a fleet's resize has reached its time-outs; it then stays so until something changes."""
        lacking = [market for market in group.targets if group.lacks(market)]
        if group.fleet is None or not all(self._is_timed_out(group, market) for market in lacking):
            return False
        group.fleet.stopped = (dict(group.targets), group.standing)
        self.cancel(group.awaiting)
        for market in lacking:
            kind = notices.SPOT_TIMED_OUT if market == SPOT else notices.ON_DEMAND_TIMED_OUT
            self._context.notify(kind, group, market=NAMES[market])
        return True

    def cancel(self, awaiting: Sequence[Instance]) -> None:
        """Give up instances that EC2 has not given."""
        self._context.move_instances(awaiting, InstanceState.TERMINATED)

    def wait_for_capacity(self, group: Group) -> Procedure[None]:
        """Let time pass until a fleet's next try."""
        resize = group.resize
        if resize and self._stuck.get(group.id) is not resize:
            self._stuck[group.id] = resize
            self._context.notify(notices.RESIZE_STUCK, group, why=OUT_OF_CAPACITY)
        since = resize.started if resize else self._context.now
        yield from self._pause(since, [self._resize_deadline(group, market) for market in group.targets])

    def _buy_types(self, group: Group, fills: str, short: Short) -> Procedure[list[Instance]]:
        """Buy for the target of a market, type by type, until it is reached or no type has more.

        `short` gets the types of which there were too few.
        """
        market = ON_DEMAND if group.fleet and group.fleet.switched else fills
        zone, room = self._cluster.availability_zone, self._context.layer.room
        types = allocation.in_order(group, market, zone, room)
        is_spread = allocation.strategy_of(group, market) == allocation.DIVERSIFIED
        bought: list[Instance] = []
        left = list(types)
        while left and group.lacks(fills):
            now_open = list(left)
            for number, one in enumerate(now_open):
                kinds = len(now_open) - number if is_spread else 1
                if count := allocation.count_for(group.lacks(fills), one, kinds):
                    got = yield from self._launch_some(group, Purchase(one, market, count, fills))
                    bought += got
                    if len(got) < count:
                        left.remove(one)
                        short.setdefault(market, []).append(one.name)
                if not self._context.is_live:
                    return bought  # whoever asked ends them
        self._await(group, fills, market, types[0])
        return bought

    def _launch_some(self, group: Group, purchase: Purchase) -> Procedure[list[Instance]]:
        try:
            return (yield from self._launch(group, purchase))
        except NoCapacityError:
            return []

    def _launch(self, group: Group, purchase: Purchase) -> Procedure[list[Instance]]:
        call = partial(self._context.layer.launch, group, purchase)
        bought: list[Instance] = yield from self._context.do("launch", call)
        return [self._record(group, instance) for instance in bought]

    def _record(self, group: Group, bought: Instance) -> Instance:
        """Add an instance to the records, in place of one that awaits it."""
        like = (bought.fills, bought.market)
        waiting = next((i for i in group.awaiting if (i.fills, i.market) == like), None)
        if waiting is None:
            group.instances.append(bought)
            return bought
        waiting.become(bought)
        self._context.move(waiting, InstanceState.PROVISIONING)
        return waiting

    def _await(self, group: Group, fills: str, market: str, one: TypeConfig) -> None:
        """Let the records show a spot request for each instance that is missing.

        That EMR shows them as instances of the type that comes first is a guess.
        """
        waiting = [i for i in group.awaiting if i.fills == fills]
        missing = allocation.count_for(group.lacks(fills), one) if market == SPOT else 0
        self.cancel(waiting[missing:])
        now = self._context.now
        for _ in range(missing - len(waiting)):
            status = Status(InstanceState.AWAITING_FULFILLMENT, now)
            group.instances.append(Instance(ids.instance_id(), "", "", "", one, market, status, fills=fills))

    def _act_on_time_outs(self, short: Sequence[Group]) -> bool:
        """Do what the launch specifications say of missing spot capacity. Returns whether to buy at once."""
        found = False
        for group in short:
            deadline = self._launch_deadline(group)
            if group.fleet is None or deadline is None or self._context.now < deadline:
                continue
            if group.fleet.launch["SpotSpecification"]["TimeoutAction"] == TERMINATE:
                raise StartFailureError(endings.by_fleet_timeout(group))
            group.fleet.switched = found = True
        return found

    def _launch_deadline(self, group: Group) -> datetime | None:
        """Return when missing spot capacity is acted on; None if never, or if that is done."""
        if group.fleet is None or group.fleet.switched or not group.lacks(SPOT):
            return None
        minutes = group.fleet.launch.get("SpotSpecification", {}).get("TimeoutDurationMinutes")
        return minutes and group.status.created + timedelta(minutes=minutes)

    def _resize_deadline(self, group: Group, market: str) -> datetime | None:
        """Return when a resize stops to buy in a market; None if never, or if nothing is missing there."""
        if group.fleet is None or group.resize is None or not group.lacks(market):
            return None
        name = "SpotResizeSpecification" if market == SPOT else "OnDemandResizeSpecification"
        minutes = group.fleet.resize.get(name, {}).get("TimeoutDurationMinutes")
        return minutes and group.resize.started + timedelta(minutes=minutes)

    def _is_timed_out(self, group: Group, market: str) -> bool:
        deadline = self._resize_deadline(group, market)
        return deadline is not None and deadline <= self._context.now

    def _pause(self, since: datetime, deadlines: Sequence[datetime | None]) -> Procedure[None]:
        """Wait for the next try, or for a deadline that comes before. Capacity is missing `since` then."""
        now = self._context.now
        seconds = (now - since).total_seconds() / 10
        next_try = now + timedelta(seconds=min(max(seconds, LEAST_RETRY_SECONDS), MOST_RETRY_SECONDS))
        moments = [moment for moment in deadlines if moment is not None and moment > now]
        yield Until(min([*moments, next_try]), lambda: not self._context.is_live)
        self._context.check()
