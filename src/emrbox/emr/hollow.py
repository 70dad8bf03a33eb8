"""Hollow clusters: no nodes, scripted steps, a clock that can be moved.

A launch is hollow when its tag `emrbox:hollow` says so, or when the box takes all launches for hollow and the
tag does not say no. All of EMR's API works on it as on any cluster. EC2 does not know its instances, and it
writes no logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.emr.clock import MovableClock
from emrbox.emr.delays import Delays
from emrbox.emr.hollow_engine import HollowEngine
from emrbox.emr.hollow_nodes import HollowNodes
from emrbox.emr.hollow_scripts import Scripts

if TYPE_CHECKING:
    from emrbox.emr.model import Cluster


class Hollow:
    """The box's hollow clusters: their clock, their scripts, how long they take to start and end."""

    def __init__(self, delays: Delays | None = None) -> None:
        self.clock = MovableClock()
        self.scripts = Scripts()
        self.delays = delays or Delays()

    def engine(self, cluster: Cluster) -> HollowEngine:
        """Return what drives a new hollow cluster."""
        layer = HollowNodes(cluster, self.clock)
        return HollowEngine(cluster, layer, self.clock, self.scripts, self.delays)
