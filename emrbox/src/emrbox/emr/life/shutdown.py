"""A cluster's end: from TERMINATING to TERMINATED or TERMINATED_WITH_ERRORS, with no machine left behind."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, states
from emrbox.emr.life.model import Reason
from emrbox.emr.life.procedures import Procedure, Until
from emrbox.emr.life.states import ClusterState, GroupState, InstanceState, ReasonCode

if TYPE_CHECKING:
    from emrbox.emr.life.context import Context
    from emrbox.emr.life.resizing import Resizing
    from emrbox.emr.life.starting import Starting
    from emrbox.emr.life.stepping import Stepping

LOG = logging.getLogger(__name__)
RESIZE_STOPS_SECONDS = 60.0
RETRY_SECONDS = 1.0
SHUT_DOWN_TRIES = 10
SHUT_DOWN_RETRY_SECONDS = 5.0


class Shutdown:
    """The end of one cluster."""

    def __init__(self, context: Context, starting: Starting, resizing: Resizing, stepping: Stepping) -> None:
        self._context = context
        self._cluster = context.cluster
        self._starting = starting
        self._resizing = resizing
        self._stepping = stepping

    def run(self) -> Procedure[None]:
        """Stop what is under way, end the machines, close the records."""
        try:
            yield from self._stop_work()
        except Exception:
            LOG.exception("the work of %s did not end as it should", self._cluster.id)
        yield from self._end_machines()
        self._finish()

    def _end_machines(self) -> Procedure[None]:
        """End the machines. What fails is tried again for a while: nobody else would end them."""
        context = self._context
        for _ in range(SHUT_DOWN_TRIES):
            try:
                yield from context.do("shut down", context.layer.shut_down)
            except Exception:
                LOG.exception("the machines of %s did not end as they should", self._cluster.id)
            else:
                return
            yield Until(context.now + timedelta(seconds=SHUT_DOWN_RETRY_SECONDS))
        LOG.error("machines of %s may be left behind", self._cluster.id)

    def _stop_work(self) -> Procedure[None]:
        """Return when the machines can be ended."""
        context = self._context
        self._close()
        yield Until(None, lambda: self._starting.is_over)  # it stops soon, and may still get instances
        deadline = context.now + timedelta(seconds=RESIZE_STOPS_SECONDS)
        yield Until(deadline, lambda: not self._resizing.busy)
        yield Until(context.now + timedelta(seconds=context.pick_delay("terminating")))
        while not context.layer.may_shut_down():
            yield Until(context.now + timedelta(seconds=RETRY_SECONDS))

    def _close(self) -> None:
        """Close the groups and the unfinished steps."""
        cluster = self._cluster
        master_gone = decisions.ending_by_lost_instances(cluster) is not None and bool(cluster.instances)
        for group in cluster.groups:
            self._context.move(group, GroupState.TERMINATING)
        self._stepping.close(master_gone=master_gone)

    def _finish(self) -> None:
        context, cluster = self._context, self._cluster
        reason = Reason(ReasonCode.CLUSTER_TERMINATED, states.INSTANCE_TERMINATED_WITH_CLUSTER)
        for group in cluster.groups:
            context.move_instances(group.instances, InstanceState.TERMINATED, reason)
            context.move(group, GroupState.TERMINATED, reason)
        ending = cluster.ending
        with_errors = ending is None or ending.with_errors
        state = ClusterState.TERMINATED_WITH_ERRORS if with_errors else ClusterState.TERMINATED
        context.move(cluster, state, ending.reason if ending else None)
