"""What drives one cluster, hollow or real, from STARTING to its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, states
from emrbox.emr.life.checks import Checks
from emrbox.emr.life.context import Context
from emrbox.emr.life.model import Reason
from emrbox.emr.life.procedures import run_at_once
from emrbox.emr.life.reconfiguring import Reconfiguring
from emrbox.emr.life.resizing import Resizing
from emrbox.emr.life.scaling import Scaling
from emrbox.emr.life.sessions import Sessions
from emrbox.emr.life.shutdown import Shutdown
from emrbox.emr.life.starting import Starting, internal_error
from emrbox.emr.life.states import ClusterState
from emrbox.emr.life.stepping import Stepping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from emrbox.emr.life.layer import NodeLayer
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.procedures import StartJob

LOG = logging.getLogger(__name__)


def no_delay(_phase: str) -> float:
    """Return the seconds that a phase takes where no delays are set."""
    return 0.0


class Engine:
    """Drives one cluster. A driver calls `turn` when it is due, and when the cluster's `wake` asks for it.

    `start_job` begins blocking calls on `layer`; `pick_delay` returns the seconds that a phase of start or
    end takes beyond the time of the machines.
    """

    def __init__(
        self,
        cluster: Cluster,
        layer: NodeLayer,
        start_job: StartJob = run_at_once,
        pick_delay: Callable[[str], float] = no_delay,
    ) -> None:
        self._cluster = cluster
        self._layer = layer
        self._context = Context(cluster, layer, start_job, pick_delay, cluster.status.created)
        leaving: set[str] = set()
        self.resizing = Resizing(self._context, leaving)
        self._reconfiguring = Reconfiguring(self._context, self.resizing.busy)
        self._scaling = Scaling(self._context, self.resizing.busy)
        self.stepping = Stepping(self._context)
        self.sessions = Sessions(self._context)
        self._checks = Checks(self._context, leaving)
        self._starting = Starting(self._context, self._checks)
        self._has_begun = self._is_ending = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to drive: also no resize that may still get instances."""
        return self._cluster.status.state in states.CLUSTER_ENDED and not self.resizing.busy

    def turn(self, now: datetime) -> datetime | None:
        """Do what is due. Returns when the next turn is due; None if only `wake` can ask for it.

        Called under the cluster's lock; never waits; a turn too many changes nothing.
        """
        self._context.now = now
        if not self._has_begun:
            self._has_begun = True
            self._context.procedures.begin(self._starting.run())
        while self._move_on():
            pass
        self._checks.note_activity()
        return None if self.is_over else min(self._moments(), default=None)

    def protect_instances(self, *, protected: bool) -> None:
        """Carry the cluster's termination protection to its instances."""
        self._layer.protect(protected=protected)

    def tag_instances(
        self, *, set_tags: Mapping[str, str] | None = None, remove_keys: Sequence[str] = ()
    ) -> None:
        """Carry a change of the cluster's tags to its instances."""
        self._layer.tag_instances(dict(set_tags or {}), list(remove_keys))

    def _moments(self) -> list[datetime]:
        is_ready = self._cluster.status.state in states.CLUSTER_READY
        parts = (self._checks, self._scaling, self.sessions) if is_ready else ()
        checks = [moment for part in parts for moment in part.moments()]
        return [*self._context.procedures.moments(), *checks]

    def _move_on(self) -> bool:
        """Do what can be done now. Returns whether there may be more.

        When emrbox itself fails, the cluster ends: its machines are not left behind.
        """
        try:
            self._follow_up()
            return self._context.procedures.advance(self._context.now)
        except Exception as problem:
            LOG.exception("cluster %s failed", self._cluster.id)
            was_live = self._context.is_live
            self._cluster.end(internal_error(problem), self._context.now)
            return was_live

    def _follow_up(self) -> None:
        """Begin what the records ask for."""
        cluster = self._cluster
        if cluster.status.state in states.CLUSTER_READY:
            self._checks.run()
        if cluster.status.state in states.CLUSTER_READY:
            self.stepping.start_due()
            self.sessions.run()
            self._scaling.run()
            self.resizing.start_due()
            self._reconfiguring.start_due()
            self._settle()
        if cluster.status.state is ClusterState.TERMINATING and not self._is_ending:
            self._is_ending = True
            self.sessions.close()
            shutdown = Shutdown(self._context, self._starting, self.resizing, self.stepping)
            self._context.procedures.begin(shutdown.run())

    def _settle(self) -> None:
        """Be RUNNING while there are steps, else end or be WAITING."""
        cluster, move = self._cluster, self._context.move
        if cluster.active_steps:
            move(cluster, ClusterState.RUNNING, Reason(message=states.RUNNING_STEP))
        elif ending := decisions.ending_when_idle(cluster):
            cluster.end(ending, self._context.now)
        elif cluster.status.state is not ClusterState.WAITING:
            move(cluster, ClusterState.WAITING, decisions.waiting_reason(cluster))
