"""Faults that happen to a cluster which serves, once: nodes are lost, interrupted, hang, fill up."""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from emrbox.config import REGION
from emrbox.emr.life.model import Cluster
from emrbox.faults.kinds import Where
from emrbox.faults.machines import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from emrbox.emr.life.clock import MovableClock
    from emrbox.emr.life.model import Instance
    from emrbox.emr.life.store import Store
    from emrbox.faults.book import Fault, FaultBook

LOG = logging.getLogger(__name__)
ONCE = (Where.CLUSTER, Where.NODE)
INTERRUPTED = "Server.SpotInstanceTermination"
LOST = "Server.InternalError"
Document = dict[str, Any]


class Hands(Protocol):
    """What faults can do to the machines of a cluster."""

    def lose(self, cluster: Cluster, instances: Iterable[Instance], code: str) -> None:
        """End instances as EC2 does by itself; `code` is the state reason's."""

    def announce(self, cluster: Cluster, instances: Iterable[Instance], when: datetime) -> None:
        """Tell the instances' metadata of their interruption."""

    def spoil(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Do to nodes what the fault's kind says."""

    def mend(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Undo it."""


class Happenings:
    """Acts when a fault is added and when a cluster comes into a state; by the cluster's own clock."""

    def __init__(
        self, book: FaultBook, clock: MovableClock, hollow_hands: Hands, publish: Callable[[Document], None]
    ) -> None:
        self.store: Store | None = None
        self.real_hands: Hands | None = None
        self._book = book
        self._clock = clock
        self._hollow_hands = hollow_hands
        self.publish = publish
        self._lock = threading.Lock()
        self._tried: set[tuple[str, str]] = set()
        self._spoilt: dict[str, list[tuple[Hands, Sequence[Instance]]]] = {}
        book.on_add.append(self._added)
        book.on_remove.append(self._removed)

    def watch(self, cluster: Cluster, subject: object) -> None:
        """Hear of a new state, under the cluster's condition: act soon, from elsewhere."""
        if isinstance(subject, Cluster) and self._book.of(*ONCE):
            self._later(cluster, 0, lambda: self._look_at(cluster))

    def _added(self, fault: Fault) -> None:
        if fault.kind.where in ONCE and self.store is not None:
            for cluster in self.store.all():
                self._try(fault, cluster)

    def _look_at(self, cluster: Cluster) -> None:
        for fault in self._book.of(*ONCE):
            self._try(fault, cluster)

    def _try(self, fault: Fault, cluster: Cluster) -> None:
        """Act if the cluster is in scope and in the right state, once a cluster."""
        states = {state.strip().upper() for state in fault.parameters["state"].split(",")}
        if cluster.status.state not in states or not fault.covers((cluster.id, cluster.name)):
            return
        if self._hands(cluster) is self._hollow_hands and fault.kind.where is Where.NODE:
            return  # there is no node
        with self._lock:
            if (fault.id, cluster.id) in self._tried or not self._book.spend(fault):
                return
            self._tried.add((fault.id, cluster.id))
        self._later(cluster, fault.parameters["after_seconds"], lambda: self._act(fault, cluster))

    def _act(self, fault: Fault, cluster: Cluster) -> None:
        hands = self._hands(cluster)
        if hands is None or not self._book.is_on(fault) or cluster.status.ended is not None:
            return
        with cluster.changed:
            instances = [member.instance for member in chosen(fault, cluster)]
        if fault.kind.where is Where.NODE:
            hands.spoil(fault, instances)
            with self._lock:
                self._spoilt.setdefault(fault.id, []).append((hands, instances))
        elif fault.kind.name == "spot-interruption":
            self._interrupt(fault, cluster, instances)
        else:
            hands.lose(cluster, instances, LOST)

    def _interrupt(self, fault: Fault, cluster: Cluster, instances: Sequence[Instance]) -> None:
        notice = fault.parameters["notice_seconds"]
        hands = self._hands(cluster)
        if hands is None:
            return
        now = cluster.clock.now() if cluster.clock else datetime.now(UTC)
        hands.announce(cluster, instances, now + timedelta(seconds=notice))
        for instance in instances:
            self.publish(interruption_warning(cluster, instance, now))
        self._later(cluster, notice, lambda: hands.lose(cluster, instances, INTERRUPTED))

    def _removed(self, fault: Fault) -> None:
        with self._lock:
            spoilt = self._spoilt.pop(fault.id, [])
        for hands, instances in spoilt:
            hands.mend(fault, instances)

    def _hands(self, cluster: Cluster) -> Hands | None:
        return self._hollow_hands if cluster.clock is self._clock else self.real_hands

    def _later(self, cluster: Cluster, seconds: float, work: Callable[[], None]) -> None:
        """Do work after a time of the cluster's clock, never on the caller's stack: it may hold locks."""
        if cluster.clock is self._clock:
            self._clock.call_later(seconds, work)
        else:
            timer = threading.Timer(seconds, _logged, (work,))
            timer.daemon = True
            timer.start()


def _logged(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        LOG.exception("a fault could not act")


def interruption_warning(cluster: Cluster, instance: Instance, now: datetime) -> Document:
    """Return EC2's event, https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html."""
    zone = cluster.availability_zone or f"{REGION}a"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "EC2 Spot Instance Interruption Warning",
        "source": "aws.ec2",
        "account": cluster.account_id,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:ec2:{zone}:instance/{instance.ec2_id}"],
        "detail": {"instance-id": instance.ec2_id, "instance-action": "terminate"},
    }
