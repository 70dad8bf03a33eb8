"""Hollow clusters: no nodes, scripted steps, a clock that can be moved.

A launch is hollow when its tag `emrbox:hollow` says so, or when the box takes all launches for hollow and the
tag does not say no. All of EMR's API works on it as on any cluster. EC2 does not know its instances, and it
writes no logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.emr.hollow.delays import Delays
from emrbox.emr.hollow.engine import HollowEngine
from emrbox.emr.hollow.nodes import HollowNodes
from emrbox.emr.hollow.scripts import Scripts
from emrbox.emr.life.clock import MovableClock
from emrbox.faults.book import FaultBook
from emrbox.faults.machines import StuckEnd, with_faults

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Instance
    from emrbox.faults.book import Fault


class Hollow:
    """The box's hollow clusters: their clock, their scripts, how long they take to start and end."""

    def __init__(self, delays: Delays | None = None, faults: FaultBook | None = None) -> None:
        self.clock = MovableClock()
        self.scripts = Scripts()
        self.delays = delays or Delays()
        self._faults = faults or FaultBook()
        self._nodes: dict[str, HollowNodes] = {}

    def engine(self, cluster: Cluster) -> HollowEngine:
        """Return what drives a new hollow cluster."""
        nodes = self._nodes[cluster.id] = HollowNodes(cluster, self.clock)
        layer = with_faults(nodes, cluster, self._faults)

        def end() -> StuckEnd:
            return StuckEnd(self._faults, cluster, self.clock.now)

        return HollowEngine(cluster, layer, self.clock, self.scripts, self.delays, end=end)

    # -- as the hands of faults ----------------------------------------------------------------------------

    def lose(self, cluster: Cluster, instances: Iterable[Instance], _code: str) -> None:
        """Let instances be gone."""
        self._nodes[cluster.id].lose({instance.ec2_id for instance in instances})
        with cluster.changed:
            cluster.changed.notify_all()

    def announce(self, cluster: Cluster, instances: Iterable[Instance], when: datetime) -> None:
        """Do nothing: there is no metadata to read."""

    def spoil(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Do nothing: there is no node."""

    def mend(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Do nothing: there is no node."""
