"""Faults that act once on a running cluster: nodes are lost, interrupted, hang, fill up."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.model import Cluster
from emrbox.faults.faulty_nodes import candidates, chosen
from emrbox.faults.kinds.kind import ClusterKind, NodeKind, Target, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emrbox.emr.life.model import Instance
    from emrbox.faults.book import Fault, FaultBook
    from emrbox.faults.kinds.kind import Machines
    from emrbox.faults.real_machines import RealMachines

LOG = logging.getLogger(__name__)
ONCE = (Where.CLUSTER, Where.NODE)


class ClusterFaults:
    """Acts when a fault is added and when a cluster comes into a state; by the cluster's own clock.

    `clusters` returns all clusters; `hollow` and `real` are the machines of hollow clusters and of those with
    nodes; `publish` lets an event go.
    """

    def __init__(
        self,
        book: FaultBook,
        clusters: Callable[[], Sequence[Cluster]],
        publish: Callable[[dict[str, Any]], None],
        *,
        hollow: Machines,
        real: RealMachines | None = None,
    ) -> None:
        self._book = book
        self._clusters = clusters
        self._publish = publish
        self._hollow = hollow
        self._real = real
        self._lock = threading.Lock()
        self._tried: set[tuple[str, str]] = set()
        self._undo: dict[str, list[Callable[[], None]]] = {}  # by fault
        book.on_add.append(self._added)
        book.on_remove.append(self._removed)

    def watch(self, cluster: Cluster, subject: object, *_: object) -> None:
        """Take note of a new state, under the cluster's lock: act soon, from elsewhere."""
        if isinstance(subject, Cluster) and self._book.of(*ONCE):
            _later(cluster, 0, lambda: self._check(cluster))

    def _added(self, fault: Fault) -> None:
        if fault.kind.where in ONCE:
            for cluster in self._clusters():
                self._try(fault, cluster)

    def _check(self, cluster: Cluster) -> None:
        for fault in self._book.of(*ONCE):
            self._try(fault, cluster)

    def _try(self, fault: Fault, cluster: Cluster) -> None:
        """Act if the cluster is in scope and in the right state, once a cluster."""
        states = {state.strip().upper() for state in fault.parameters["state"].split(",")}
        if cluster.status.state not in states or not fault.covers((cluster.id, cluster.name)):
            return
        if isinstance(fault.kind, NodeKind) and (_is_hollow(cluster) or self._real is None):
            return  # there is no node
        with self._lock:
            if (fault.id, cluster.id) in self._tried:
                return
            self._tried.add((fault.id, cluster.id))
        _later(cluster, fault.parameters["after_seconds"], lambda: self._act(fault, cluster))

    def _act(self, fault: Fault, cluster: Cluster) -> None:
        machines = self._hollow if _is_hollow(cluster) else self._real
        if machines is None or not self._book.is_on(fault) or cluster.status.ended is not None:
            return
        instances = self._spend(fault, cluster)
        if not instances:
            with self._lock:  # the cluster's next state may be another matter
                self._tried.discard((fault.id, cluster.id))
            return
        if isinstance(fault.kind, ClusterKind):
            fault.kind.act(
                Target(
                    fault,
                    cluster,
                    instances,
                    machines,
                    publish=self._publish,
                    later=lambda seconds, work: _later(cluster, seconds, work),
                )
            )
        elif isinstance(fault.kind, NodeKind) and self._real is not None:
            self._act_on_nodes(fault, fault.kind, self._real, instances)

    def _spend(self, fault: Fault, cluster: Cluster) -> list[Instance]:
        """Return the instances to act on. A cluster that has none is left out, and does not count."""
        with cluster.lock:
            if not candidates(fault, cluster) or not self._book.spend(fault):
                return []
            return [instance for _, instance in chosen(fault, cluster)]

    def _act_on_nodes(
        self, fault: Fault, kind: NodeKind, real: RealMachines, instances: Sequence[Instance]
    ) -> None:
        for instance in instances:
            undo = real.on_node(instance, lambda node: kind.act(fault, node))
            if undo is None:
                continue
            work = _undoing(real, instance, undo)
            with self._lock:
                is_on = self._book.is_on(fault)
                if is_on:
                    self._undo.setdefault(fault.id, []).append(work)
            if not is_on:  # removed while it acted
                work()

    def _removed(self, fault: Fault) -> None:
        with self._lock:
            undo = self._undo.pop(fault.id, [])
        for work in undo:
            work()


def _undoing(real: RealMachines, instance: Instance, undo: Callable[[Any], None]) -> Callable[[], None]:
    """Return what undoes a fault on a node if that is still there."""

    def work() -> None:
        if instance.status.ended is None:
            real.on_node(instance, undo)

    return work


def _is_hollow(cluster: Cluster) -> bool:
    return isinstance(cluster.clock, MovableClock)


def _later(cluster: Cluster, seconds: float, work: Callable[[], None]) -> None:
    """Do work after a time of the cluster's clock, never on the caller's stack: it may hold locks."""
    if isinstance(cluster.clock, MovableClock):
        cluster.clock.call_later(seconds, work)
    else:
        timer = threading.Timer(seconds, _logged, (work,))
        timer.daemon = True
        timer.start()


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        LOG.exception("a fault could not act")
