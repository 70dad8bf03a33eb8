"""Faults and delays of a cluster's start and end, around its machines, whatever they are."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from emrbox.emr.life import endings
from emrbox.emr.life.layer import StartFailureError
from emrbox.emr.life.states import CLUSTER_READY
from emrbox.emr.machines.bootstrap import failure_ending
from emrbox.emr.machines.node_access import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from emrbox.emr.hollow.delays import Delays
    from emrbox.emr.life.layer import Checkpoint, NodeLayer
    from emrbox.emr.life.model import Cluster, Group, Instance
    from emrbox.faults.book import Fault, FaultBook

LOOK_SECONDS = 0.1


def with_faults(
    layer: NodeLayer,
    cluster: Cluster,
    book: FaultBook,
    *,
    delays: Delays | None = None,
    now: Callable[[], datetime] | None = None,
    on_boot: Callable[[Fault, Iterable[Instance]], None] | None = None,
) -> NodeLayer:
    """Return the machines with the book's faults.

    `delays` makes starting and ending take real time; `now` lets an end be stuck (a hollow cluster's engine
    asks for both itself); `on_boot` acts on the instances of a booted cluster.
    """
    return cast("NodeLayer", _FaultyNodes(layer, cluster, book, delays=delays, now=now, on_boot=on_boot))


class _FaultyNodes:
    """All that is not named here is the inner layer's."""

    def __init__(
        self,
        inner: NodeLayer,
        cluster: Cluster,
        book: FaultBook,
        *,
        delays: Delays | None,
        now: Callable[[], datetime] | None,
        on_boot: Callable[[Fault, Iterable[Instance]], None] | None,
    ) -> None:
        self._inner = inner
        self._cluster = cluster
        self._names = (cluster.id, cluster.name)
        self._book = book
        self._delays = delays
        self._now = now
        self._on_boot = on_boot

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def launch(self, group: Group, *rest: Any) -> list[Instance]:
        """Launch, unless EC2 has no capacity."""
        for fault in self._faults("no-capacity"):
            values = fault.parameters
            fits = group.role in roles_of(fault) and fnmatchcase(group.instance_type, values["instance_type"])
            if fits and self._book.spend(fault):
                raise StartFailureError(endings.without_capacity(self._cluster, group))
        if self._cluster.status.state in CLUSTER_READY and self._has_no_core(group):
            raise StartFailureError(endings.without_capacity(self._cluster, group))
        return self._inner.launch(group, *rest)

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
        """Boot; sshd may come late."""
        self._wait("starting", check)
        self._inner.boot(check)
        self._after_boot({i.ec2_id for i in self._cluster.instances})

    def boot_more(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> None:
        """Boot nodes that were launched later; sshd may come late."""
        self._wait("resizing", check)
        self._inner.boot_more(group, instances, check)
        self._after_boot({i.ec2_id for i in instances})

    def _after_boot(self, booted: set[str]) -> None:
        for fault in self._faults("sshd-late"):
            if self._on_boot is not None and self._book.spend(fault):
                groups = [g for g in self._cluster.groups if g.role in roles_of(fault)]
                self._on_boot(fault, [i for g in groups for i in g.instances if i.ec2_id in booted])

    def bootstrap(self, check: Checkpoint) -> None:
        """Run the bootstrap actions; one may fail."""
        self._wait("bootstrapping", check)
        self._inner.bootstrap(check)
        for fault in self._faults("bootstrap-fails"):
            number = fault.parameters["action"]
            if 1 <= number <= len(self._cluster.bootstrap_actions):
                members = chosen(fault, self._cluster)
                if members and self._book.spend(fault):
                    failed = [(member, fault.parameters["exit_code"]) for member in members]
                    action = self._cluster.bootstrap_actions[number - 1]
                    raise StartFailureError(failure_ending(number, action, failed))

    def join(self, group: Group, instances: Sequence[Instance], check: Checkpoint) -> list[Instance]:
        """Let nodes join that were launched later; a bootstrap action may fail on some."""
        failed = self._inner.join(group, instances, check)
        for fault in self._faults("bootstrap-fails"):
            wanted = self._cluster.bootstrap_actions and group.role in roles_of(fault)
            if wanted and self._book.spend(fault):
                count = fault.parameters["instances"] or len(instances)
                failed += [i for i in instances if i not in failed][:count]
        return failed

    def shut_down(self) -> None:
        """End the machines, when the delay and faults let them."""
        self._wait("terminating", lambda: None)
        if self._now is not None:
            stuck = StuckEnd(self._book, self._cluster, self._now)
            while stuck():
                time.sleep(LOOK_SECONDS)
        self._inner.shut_down()

    def _wait(self, phase: str, check: Checkpoint) -> None:
        if self._delays is not None:
            deadline = time.monotonic() + self._delays.pick(phase)
            while (left := deadline - time.monotonic()) > 0:
                check()
                time.sleep(min(LOOK_SECONDS, left))

    def _faults(self, kind: str) -> list[Fault]:
        return [fault for fault in self._book.of(kind) if fault.covers(self._names)]


class StuckEnd:
    """Says, each time it is asked, whether a cluster's end is still stuck."""

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
    """Return the roles that a fault names."""
    return {role.strip().upper() for role in fault.parameters["role"].split(",")}


def chosen(fault: Fault, cluster: Cluster) -> list[Member]:
    """Return the nodes that a fault acts on: by role, and as many as it says, drawn from its own chance."""
    found = [
        Member(group, instance, cast("Any", None))
        for group in cluster.groups
        if group.role in roles_of(fault) and fnmatchcase(group.market, fault.parameters.get("market", "*"))
        for instance in group.instances
        if instance.status.ended is None
    ]
    count = fault.parameters["instances"]
    return fault.chance.sample(found, count) if 0 < count < len(found) else found
