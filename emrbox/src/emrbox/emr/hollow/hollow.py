"""Hollow clusters: no nodes, scripted steps, a clock that can be moved.

A launch is hollow when its tag `emrbox:hollow` is true, or when the box's setting makes all launches hollow
and the tag is not false. All of EMR's API works on it as on any cluster. EC2 does not know its instances, and
it writes no logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.emr.hollow.delays import Delays
from emrbox.emr.hollow.nodes import HollowNodes
from emrbox.emr.hollow.scripts import Scripts
from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.drivers import ClockDriver
from emrbox.emr.life.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from emrbox.emr.life.layer import NodeLayer
    from emrbox.emr.life.model import Cluster, Instance


class Hollow:
    """The box's hollow clusters: their clock, their scripts, how long they take to start and end.

    `wrap` puts something around the machine layer of each cluster, faults for one. `check_groups` raises
    StartFailureError for security groups with which a cluster may not start.
    """

    def __init__(
        self,
        delays: Delays | None = None,
        wrap: Callable[[NodeLayer, Cluster], NodeLayer] = lambda layer, _: layer,
        clock: MovableClock | None = None,
        check_groups: Callable[[Cluster], None] = lambda _: None,
    ) -> None:
        self.clock = clock or MovableClock()
        self.scripts = Scripts()
        self.delays = delays or Delays()
        self._wrap = wrap
        self._check_groups = check_groups
        self._nodes: dict[str, HollowNodes] = {}

    def driver_of(self, cluster: Cluster) -> ClockDriver:
        """Return what drives a new hollow cluster."""
        nodes = self._nodes[cluster.id] = HollowNodes(cluster, self.clock, self.scripts, self._check_groups)
        engine = Engine(cluster, self._wrap(nodes, cluster), pick_delay=self.delays.pick)
        return ClockDriver(cluster, engine, self.clock)

    def takes(self, tags: dict[str, str], account_id: str | None) -> bool:
        """Whether a launch with these tags is hollow."""
        return self.scripts.is_hollow(tags, account_id)

    def lose(self, cluster: Cluster, instances: Iterable[Instance], code: str) -> None:  # noqa: ARG002  # EC2's
        """Let instances be gone, as EC2 would."""
        self._nodes[cluster.id].lose([instance.ec2_id for instance in instances])

    def make_unhealthy(self, cluster: Cluster, instances: Iterable[Instance]) -> None:
        """Let YARN call these instances unhealthy, and no others."""
        self._nodes[cluster.id].make_unhealthy([instance.ec2_id for instance in instances])

    def announce(self, cluster: Cluster, instances: Iterable[Instance], when: datetime) -> None:
        """Do nothing: there is no metadata to read."""
