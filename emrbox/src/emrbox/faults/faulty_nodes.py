"""Faults of a cluster's start, resizes and end, around its machines, whatever they are."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from emrbox.emr.life import endings
from emrbox.emr.life.endings import FailedNode
from emrbox.emr.life.layer import NoCapacityError, StartFailureError
from emrbox.emr.life.states import CLUSTER_READY
from emrbox.emr.life.wrapped_layer import WrappedLayer
from emrbox.faults.pools import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from emrbox.emr.life.layer import Checkpoint, NodeLayer
    from emrbox.emr.life.model import Cluster, Group, Instance, Purchase, TypeConfig
    from emrbox.faults.book import Fault, FaultBook
    from emrbox.faults.quotas import Quotas


class FaultyNodes(WrappedLayer):
    """The machines of one cluster with the book's faults.

    `now` is the cluster's time; `on_boot` acts on the instances that have just booted.
    """

    def __init__(
        self,
        inner: NodeLayer,
        cluster: Cluster,
        book: FaultBook,
        now: Callable[[], datetime],
        *,
        on_boot: Callable[[Fault, Iterable[Instance]], None] | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        super().__init__(inner)
        self._cluster = cluster
        self._names = (cluster.id, cluster.name)
        self._book = book
        self._now = now
        self._on_boot = on_boot
        self._quotas = quotas
        self._stuck_end: StuckEnd | None = None

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:
        """Launch what EC2 has and the account may have; a group gets all that it asks for or nothing."""
        purchase = replace(purchase, count=self._within_quota(group, purchase))
        pool = Pool(purchase.type.name, purchase.market, self._cluster.availability_zone)
        faults = self._limits(group.role, pool)
        count = purchase.count
        for fault in faults:
            left = fault.state.left(pool, purchase.type)
            if left < count and self._book.spend(fault):
                count = left
        if self._cluster.status.state in CLUSTER_READY and self._has_no_core(group):
            count = 0
        if count < purchase.count and (group.fleet is None or count == 0):
            raise NoCapacityError(endings.without_capacity(self._cluster, group.role, purchase))
        launched = super().launch(group, replace(purchase, count=count))
        for fault in faults:
            fault.state.take(pool, len(launched))
        return launched

    def _within_quota(self, group: Group, purchase: Purchase) -> int:
        """Return how many instances the quota leaves. What it does not leave is missing to a fleet."""
        if self._quotas is None:
            return purchase.count
        left = int(self._quotas.instances_left(self._cluster, purchase))
        if left < purchase.count and group.fleet is None:
            raise StartFailureError(endings.over_quota())
        if left == 0 < purchase.count:
            raise NoCapacityError(endings.over_quota())
        return left

    def room(self, role: str, asked: TypeConfig, market: str, zone: str | None) -> float:
        """Return the least that a fault leaves of such instances."""
        pool = Pool(asked.name, market, zone)
        left: list[float] = [fault.state.left(pool, asked) for fault in self._limits(role, pool)]
        return min([super().room(role, asked, market, zone), *left])

    def _limits(self, role: str, pool: Pool) -> list[Fault]:
        """Return the faults that limit what EC2 has."""
        found = [*self._faults("no-capacity"), *self._faults("spot-price")]
        return [fault for fault in found if role in roles_of(fault) and pool.fits(fault.parameters)]

    def _has_no_core(self, group: Group) -> bool:
        return any(
            fault.kind.name == "core-lost"
            and fault.fired
            and not fault.parameters["replaced"]
            and fault.covers(self._names)
            and group.role in roles_of(fault)
            for fault in self._book.all()
        )

    def boot(self, check: Checkpoint) -> None:
        """Boot, unless EMR ends the cluster; sshd may come late."""
        super().boot(check)
        for fault in self._faults("start-fails"):
            if self._book.spend(fault):
                raise StartFailureError(fault.state)
        self._after_boot({i.ec2_id for i in self._cluster.present})

    def boot_more(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        """Boot nodes that were launched later; sshd may come late."""
        super().boot_more(group, instances, check)
        self._after_boot({i.ec2_id for i in instances})

    def _after_boot(self, booted: set[str]) -> None:
        for fault in self._faults("sshd-late"):
            if self._on_boot is not None and self._book.spend(fault):
                groups = [g for g in self._cluster.groups if g.role in roles_of(fault)]
                self._on_boot(fault, [i for g in groups for i in g.instances if i.ec2_id in booted])

    def bootstrap(self, check: Checkpoint) -> None:
        """Run the bootstrap actions; one may fail."""
        super().bootstrap(check)
        for fault in self._faults("bootstrap-fails"):
            number = fault.parameters["action"]
            if 1 <= number <= len(self._cluster.bootstrap_actions):
                nodes = chosen(fault, self._cluster)
                if nodes and self._book.spend(fault):
                    code = fault.parameters["exit_code"]
                    failed = [FailedNode(i.ec2_id, code, is_master=g.role == "MASTER") for g, i in nodes]
                    action = self._cluster.bootstrap_actions[number - 1]
                    raise StartFailureError(endings.by_bootstrap_action(number, action, failed))

    def join(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> list[Instance]:
        """Let nodes join that were launched later; a bootstrap action may fail on some."""
        failed = super().join(group, instances, check)
        for fault in self._faults("bootstrap-fails"):
            wanted = self._cluster.bootstrap_actions and group.role in roles_of(fault)
            if wanted and self._book.spend(fault):
                count = fault.parameters["instances"] or len(instances)
                failed += [i for i in instances if i not in failed][:count]
        return failed

    def may_shut_down(self) -> bool:
        """Whether no fault holds the end."""
        self._stuck_end = self._stuck_end or StuckEnd(self._book, self._cluster, self._now)
        return not self._stuck_end() and super().may_shut_down()

    def _faults(self, kind: str) -> list[Fault]:
        return [fault for fault in self._book.of(kind) if fault.covers(self._names)]


class StuckEnd:
    """Whether a cluster's end is still stuck: the fault acts once, and may be removed meanwhile."""

    def __init__(self, book: FaultBook, cluster: Cluster, now: Callable[[], datetime]) -> None:
        self._book = book
        self._now = now
        self._since = now()
        self._fault = book.acting("termination-stuck", (cluster.id, cluster.name))

    def __call__(self) -> bool:
        """Whether the fault is on and its time not over."""
        if self._fault is None or not self._book.is_on(self._fault):
            return False
        seconds = float(self._fault.parameters["seconds"])
        return seconds == 0 or (self._now() - self._since).total_seconds() < seconds


def roles_of(fault: Fault) -> set[str]:
    """Return the roles that a fault names; a fault of whole clusters is about all."""
    return {role.strip().upper() for role in fault.parameters.get("role", "MASTER,CORE,TASK").split(",")}


def candidates(fault: Fault, cluster: Cluster) -> list[tuple[Group, Instance]]:
    """Return the nodes that a fault may act on: those of its roles and its market that are there."""
    return [
        (group, instance)
        for group in cluster.groups
        if group.role in roles_of(fault)
        for instance in group.present
        if fnmatchcase(instance.market, fault.parameters.get("market", "*"))
    ]


def chosen(fault: Fault, cluster: Cluster) -> list[tuple[Group, Instance]]:
    """Return the nodes that a fault acts on: by role, as many as it names, drawn by its own generator."""
    found = candidates(fault, cluster)
    count = fault.parameters.get("instances", 0)
    return fault.chance.sample(found, count) if 0 < count < len(found) else found
