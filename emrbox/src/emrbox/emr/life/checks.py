"""What happens outside of the records: instances are lost, a cluster is idle, logs have grown."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, endings, states
from emrbox.emr.life.health import Health
from emrbox.emr.life.model import Reason
from emrbox.emr.life.states import InstanceState, ReasonCode

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.procedures import Procedure

LOG = logging.getLogger(__name__)
LOST_MESSAGE = "Instance was terminated."


class Checks:
    """The checks of one cluster that is ready, in the intervals of its machine layer's pace.

    `leaving` has the EC2 ids of instances that emrbox itself ends, which are not lost.
    """

    def __init__(self, context: Context, leaving: set[str]) -> None:
        self._context = context
        self._leaving = leaving
        self._idleness = _Idleness(context)
        self._health = Health(context)
        self._next_push = self._following(context.now)
        self._is_pushing = False

    def run(self) -> None:
        """Do what is due."""
        self.find_lost_instances()
        self._idleness.check()
        self._health.check()
        self._push_logs()

    def find_lost_instances(self) -> None:
        """Record the instances that are no longer there; without its master a cluster ends."""
        context, cluster = self._context, self._context.cluster
        try:
            lost = context.layer.lost_instances() - self._leaving
        except Exception:
            LOG.exception("the instances of %s could not be checked", cluster.id)
            return
        if not lost:
            return
        reason = Reason(ReasonCode.INSTANCE_FAILURE, LOST_MESSAGE)
        gone = [instance for instance in cluster.instances if instance.ec2_id in lost]
        context.move_instances(gone, InstanceState.TERMINATED, reason)
        if ending := decisions.ending_by_lost_instances(cluster):
            cluster.end(ending, context.now)
        elif cluster.master_dns:
            cluster.master_dns = cluster.primary.private_dns

    def note_activity(self) -> None:
        """Remember, at the end of a turn, whether the cluster is active."""
        self._idleness.was_active = _is_active(self._context.cluster)

    def moments(self) -> list[datetime]:
        """Return when the next checks are due."""
        pace, now = self._context.layer.pace, self._context.now
        found = [] if pace.lost_instances is None else [now + timedelta(seconds=pace.lost_instances)]
        if (due := self._idleness.due()) is not None:
            found.append(due)
        found += self._health.moments()
        if self._next_push is not None and not self._is_pushing:
            found.append(self._next_push)
        return found

    def _push_logs(self) -> None:
        now = self._context.now
        if self._next_push is not None and now >= self._next_push and not self._is_pushing:
            self._is_pushing, self._next_push = True, self._following(now)
            self._context.procedures.begin(self._push())

    def _following(self, now: datetime) -> datetime | None:
        """Return when logs are pushed next; None is never.

        At whole multiples of the interval since midnight: logs are cut by the hour, and snapshots of nodes
        are taken by its quarters.
        """
        interval = self._context.layer.pace.logs
        if interval is None:
            return None
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        pushes = (now - midnight) // timedelta(seconds=interval)
        return midnight + (pushes + 1) * timedelta(seconds=interval)

    def _push(self) -> Procedure[None]:
        try:
            yield from self._context.do("push logs", self._context.layer.push_logs)
        except Exception:
            LOG.exception("the logs of %s could not be pushed", self._context.cluster.id)
        self._is_pushing = False


class _Idleness:
    """The auto-termination policy: idle is no step to run and nothing active (docs/aws_facts.md 1.6)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last_active = self._last_check = context.now
        self._had_policy = False
        self._is_checking = False
        self.was_active = False

    def check(self) -> None:
        """Begin to check when that is due. A policy counts from when it was put."""
        has_policy = self._context.cluster.idle_timeout_seconds is not None
        if self._is_active() or not self._had_policy or not has_policy:
            self._last_active = self._last_check = self._context.now
        self._had_policy = has_policy
        due = self.due()
        if due is not None and due <= self._context.now:
            self._context.procedures.begin(self._check_machines())

    def due(self) -> datetime | None:
        """Return when the machines are to be asked next; None while they need not be."""
        limit, interval = self._context.cluster.idle_timeout_seconds, self._context.layer.pace.idleness
        if limit is None or self._is_checking or self._is_active():
            return None
        end = self._last_active + timedelta(seconds=limit)
        return end if interval is None else min(end, self._last_check + timedelta(seconds=interval))

    def _is_active(self) -> bool:
        return self.was_active or _is_active(self._context.cluster)

    def _check_machines(self) -> Procedure[None]:
        context, cluster = self._context, self._context.cluster
        self._is_checking = True
        try:
            busy = yield from context.do("check idleness", context.layer.busy)
        except Exception:
            LOG.exception("it could not be checked whether %s is idle", cluster.id)
            busy = True
        self._is_checking, self._last_check = False, context.now
        if busy or self._is_active():
            self._last_active = context.now
        limit = cluster.idle_timeout_seconds
        is_over = limit is not None and context.now - self._last_active >= timedelta(seconds=limit)
        if is_over and cluster.status.state in states.CLUSTER_READY:
            cluster.end(endings.by_idle_policy(), context.now)


def _is_active(cluster: Cluster) -> bool:
    """Whether the cluster has something to do: a session's server is an application of YARN that runs."""
    return bool(cluster.active_steps or cluster.active_sessions)
