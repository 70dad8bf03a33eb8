"""Groups that grow and shrink while their cluster runs, and lost core and task nodes that are replaced.

A group is resized towards its requested count, one change after the other, by one procedure at a time. A
resize that cannot go on leaves the group SUSPENDED until it is resized again (docs/aws_facts.md 1.2).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, endings, notices, states
from emrbox.emr.life.layer import InterruptedByEndError, StartFailureError
from emrbox.emr.life.model import Reason, Resize
from emrbox.emr.life.purchasing import Purchasing
from emrbox.emr.life.states import GroupState, InstanceState, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.model import Cluster, Group, Instance, Units
    from emrbox.emr.life.procedures import Procedure

LOG = logging.getLogger(__name__)
# How often nodes that fail their bootstrap actions are replaced. A guess: EMR's number is not documented.
TRIES = 3


# Who asks for another size, in an event's words. A guess: the guide says only "Entity".
USER, AUTOMATIC_SCALING, MANAGED_SCALING = "user", "automatic scaling", "managed scaling"


def want(cluster: Cluster, group: Group, targets: Units, now: datetime, *, by: str = USER) -> None:
    """Change what a group or fleet wants; one that was suspended tries again. Under the cluster's lock.

    A fleet's time-outs begin again.
    """
    is_suspended = group.status.state is GroupState.SUSPENDED
    is_new, group.targets = targets != group.targets, targets
    if is_new and group.status.state is not GroupState.PROVISIONING:
        cluster.notify(notices.RESIZE_ASKED, group, now, by=by)
    if is_new and group.status.state is GroupState.RECONFIGURING:
        cluster.notify(notices.RESIZE_BLOCKED, group, now, count=group.requested_count)
    if group.fleet:
        group.fleet.stopped = None
    if is_suspended or (group.fleet and group.status.state is GroupState.RESIZING):
        group.resize = Resize(now, group.standing, dict(targets))
    if is_suspended:
        cluster.move(group, GroupState.RESIZING, now)


class Resizing:
    """The resizes of one cluster. `leaving` gets the EC2 ids of instances that a resize ends."""

    def __init__(self, context: Context, leaving: set[str]) -> None:
        self._context = context
        self._cluster = context.cluster
        self._leaving = leaving
        self._purchasing = Purchasing(context)
        self.busy: set[str] = set()  # ids of the groups whose resize is under way

    def start_due(self) -> None:
        """Begin every resize that a group wants."""
        for group in self._cluster.groups:
            if group.id in self.busy or not decisions.wants_resize(group):
                continue
            group.resize = Resize(self._context.now, group.standing, dict(group.targets))
            if group.status.state is not GroupState.PROVISIONING:
                self._context.move(group, GroupState.RESIZING)
            self.busy.add(group.id)
            self._context.procedures.begin(self._run(group))

    def _run(self, group: Group) -> Procedure[None]:
        try:
            yield from self._resize(group)
        except InterruptedByEndError:
            pass
        except StartFailureError as failure:
            self._suspend(group, failure.ending.reason)
        except Exception as problem:
            LOG.exception("group %s of %s could not be resized", group.id, self._cluster.id)
            self._suspend(
                group, Reason(ReasonCode.INTERNAL_ERROR, f"{type(problem).__name__}: {problem}"[:500])
            )
        self.busy.discard(group.id)

    def _resize(self, group: Group) -> Procedure[None]:
        tries = 0
        while True:
            self._context.check()
            named = [i for i in group.present if i.ec2_id in group.ids_to_terminate]
            unhealthy = [i for i in group.present if i.ec2_id in group.ids_to_replace]
            if named:
                yield from self._remove(group, named, graceful=False)
            elif unhealthy:
                yield from self._remove(group, unhealthy, graceful=True)
            elif decisions.surplus(group, group.present):
                order = yield from self._context.do(
                    "order to leave", partial(self._context.layer.order_to_leave, group)
                )
                # The wanted size may have changed, and nodes may have been lost, while YARN was asked.
                if leaving := decisions.surplus(group, order):
                    yield from self._remove(group, leaving, graceful=True)
            elif not group.is_short or self._purchasing.is_stopped(group):
                self._finish(group)
                return
            elif tries == TRIES:
                raise StartFailureError(endings.by_bootstrap("Instances failed their bootstrap actions"))
            elif instances := (yield from self._purchasing.buy(group)):
                if (yield from self._add(group, instances)):
                    tries += 1
            else:
                yield from self._purchasing.wait_for_capacity(group)

    def _finish(self, group: Group) -> None:
        if group.status.state is GroupState.PROVISIONING:
            self._context.move(group, GroupState.BOOTSTRAPPING)
        self._context.move(group, GroupState.RUNNING)

    def _add(self, group: Group, instances: Sequence[Instance]) -> Procedure[int]:
        """Let new instances join. Returns how many failed a bootstrap action."""
        try:
            failed = yield from self._bring_up(group, instances)
        except InterruptedByEndError:
            reason = Reason(ReasonCode.CLUSTER_TERMINATED, states.INSTANCE_TERMINATED_WITH_CLUSTER)
            yield from self._end(instances, reason)
            raise
        except Exception:
            reason = Reason(ReasonCode.INTERNAL_ERROR, "The instance did not become ready.")
            yield from self._end(instances, reason)
            raise
        reason = Reason(ReasonCode.BOOTSTRAP_FAILURE, "A bootstrap action failed on the instance.")
        yield from self._end(failed, reason)
        self._context.check()
        self._context.move_instances([i for i in instances if i not in failed], InstanceState.RUNNING)
        return len(failed)

    def _bring_up(self, group: Group, instances: Sequence[Instance]) -> Procedure[list[Instance]]:
        """Boot and bootstrap new instances. Returns those that failed a bootstrap action."""
        context, layer = self._context, self._context.layer
        yield from context.pause("resizing")
        yield from context.do("late boot", partial(layer.boot_more, group, instances, context.check))
        context.check()
        if group.status.state is GroupState.PROVISIONING:
            context.move(group, GroupState.BOOTSTRAPPING)
        context.move_instances(instances, InstanceState.BOOTSTRAPPING)
        return (yield from context.do("join", partial(layer.join, group, instances, context.check)))

    def _remove(self, group: Group, instances: Sequence[Instance], *, graceful: bool) -> Procedure[None]:
        self._leaving.update(i.ec2_id for i in instances)
        if graceful:
            call = partial(self._context.layer.decommission, group, instances, self._context.check)
            yield from self._context.do("decommission", call)
        # Guess: the code and message of an instance that a resize has ended are not documented.
        yield from self._end(instances, Reason(message="Instance was terminated by a resize."))

    def _end(self, instances: Sequence[Instance], reason: Reason) -> Procedure[None]:
        if not instances:
            return
        self._leaving.update(i.ec2_id for i in instances)
        yield from self._context.do("end of instances", partial(self._context.layer.end, instances))
        self._context.move_instances(instances, InstanceState.TERMINATED, reason)

    def _suspend(self, group: Group, reason: Reason) -> None:
        # Those that were to leave and did not are missed again when they are gone.
        self._leaving.difference_update(i.ec2_id for i in group.present)
        self._purchasing.cancel(group.awaiting)
        if self._context.is_live:
            self._context.move(group, GroupState.SUSPENDED, reason)
