"""A cluster's start: from RunJobFlow to RUNNING or WAITING."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, states
from emrbox.emr.life.layer import InterruptedByEndError, StartFailureError
from emrbox.emr.life.model import Ending, Reason
from emrbox.emr.life.procedures import Procedure, Until
from emrbox.emr.life.purchasing import Purchasing
from emrbox.emr.life.states import ClusterState, GroupState, InstanceState, ReasonCode

if TYPE_CHECKING:
    from emrbox.emr.life.checks import Checks
    from emrbox.emr.life.context import Context

LOG = logging.getLogger(__name__)


class Starting:
    """The start of one cluster. `checks` finds lost instances, which explain a failure better than itself."""

    def __init__(self, context: Context, checks: Checks) -> None:
        self._context = context
        self._purchasing = Purchasing(context)
        self._cluster = context.cluster
        self._checks = checks
        self.is_over = False

    def run(self) -> Procedure[None]:
        """Start the cluster; any failure ends it."""
        try:
            yield from self._bring_up()
        except InterruptedByEndError:
            pass
        except Exception as problem:  # noqa: BLE001  # whatever it is, machines are not left behind
            self._end_by(problem)
        self.is_over = True

    def _bring_up(self) -> Procedure[None]:
        context, layer = self._context, self._context.layer
        yield from self._launch()
        yield from context.pause("starting")
        yield self._first_step()
        context.check()
        yield from context.do("boot", partial(layer.boot, context.check))
        self._enter_bootstrapping()
        yield from context.pause("bootstrapping")
        yield from context.do("bootstrap", partial(layer.bootstrap, context.check))
        context.check()
        yield from context.do("provision", partial(layer.provision, context.check))
        self._become_ready()

    def _launch(self) -> Procedure[None]:
        self._set_message(states.PROVISIONING_CAPACITY)
        yield from self._purchasing.place()
        yield from self._purchasing.fill(self._cluster.groups)
        cores = [len(group.present) for group in self._cluster.groups if group.role == "CORE"]
        self._cluster.core_count_at_start = sum(cores)
        self._set_message(states.CONFIGURING_SOFTWARE)

    def _first_step(self) -> Until:
        """Return the wait of an empty cluster that is not kept alive for its first step."""
        longest = timedelta(seconds=self._context.layer.pace.first_step)
        return Until(self._cluster.status.created + longest, self._has_reason_to_go_on)

    def _has_reason_to_go_on(self) -> bool:
        return self._cluster.keep_alive or bool(self._cluster.steps) or not self._context.is_live

    def _enter_bootstrapping(self) -> None:
        context, cluster = self._context, self._cluster
        context.check()
        context.move(cluster, ClusterState.BOOTSTRAPPING, Reason(message=states.RUNNING_BOOTSTRAP_ACTIONS))
        for group in cluster.groups:
            context.move(group, GroupState.BOOTSTRAPPING)
            context.move_instances(group.present, InstanceState.BOOTSTRAPPING)

    def _become_ready(self) -> None:
        """Enter RUNNING or WAITING, whichever fits what there is to do."""
        context, cluster = self._context, self._cluster
        context.check()
        for group in cluster.groups:
            context.move(group, GroupState.RUNNING)
            context.move_instances(group.present, InstanceState.RUNNING)
        cluster.master_dns = cluster.primary.private_dns
        waits = not cluster.active_steps and decisions.ending_when_idle(cluster) is None
        state = ClusterState.WAITING if waits else ClusterState.RUNNING
        context.move(cluster, state, decisions.waiting_reason(cluster))

    def _set_message(self, message: str) -> None:
        self._context.check()
        self._context.move(self._cluster, self._cluster.status.state, Reason(message=message))

    def _end_by(self, problem: Exception) -> None:
        self._checks.find_lost_instances()  # whatever fails when the master has gone fails because it has
        if isinstance(problem, StartFailureError):
            self._cluster.end(problem.ending, self._context.now)
            return
        LOG.error("cluster %s failed", self._cluster.id, exc_info=problem)
        self._cluster.end(internal_error(problem), self._context.now)


def internal_error(problem: Exception) -> Ending:
    """Return the end of a cluster that emrbox could not run on."""
    message = f"{type(problem).__name__}: {problem}"
    return Ending(Reason(ReasonCode.INTERNAL_ERROR, message[:500]), with_errors=True)
