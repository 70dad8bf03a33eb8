"""Groups that grow and shrink while their cluster runs, and lost core and task nodes that are replaced.

A group is resized towards its requested count, one change after the other, by one piece of work at a time. A
resize that cannot go on leaves the group SUSPENDED until it is resized again (emr-facts 1.2).
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, endings, states
from emrbox.emr.life.layer import InterruptedByEndError, StartFailureError
from emrbox.emr.life.model import Reason, Resize
from emrbox.emr.life.states import GroupState, InstanceState, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.life.layer import NodeLayer
    from emrbox.emr.life.model import Cluster, Group, Instance

LOG = logging.getLogger(__name__)
# How often nodes that fail their bootstrap actions are replaced. A guess: EMR's number is not documented.
TRIES = 3


class Resizing:
    """The resizes of one cluster. `in_background` runs a piece of work later, not in the caller's thread."""

    def __init__(
        self,
        cluster: Cluster,
        layer: NodeLayer,
        clock: Clock,
        in_background: Callable[[Callable[[], None]], None],
    ) -> None:
        self._cluster = cluster
        self._layer = layer
        self._clock = clock
        self._in_background = in_background
        self._busy: set[str] = set()  # groups with work under way
        self._quiet = threading.Condition()
        self.leaving: set[str] = set()  # EC2 ids of instances that end because they are told to

    def start_due(self) -> None:
        """Set every resize going that a group wants; under the cluster's condition."""
        for group in self._cluster.groups:
            if group.id in self._busy or not decisions.wants_resize(group):
                continue
            now = self._clock.now()
            group.resize = Resize(now, len(group.present), group.requested_count)
            if group.status.state is not GroupState.PROVISIONING:
                self._cluster.move(group, GroupState.RESIZING, now)
            with self._quiet:
                self._busy.add(group.id)
            self._in_background(lambda group=group: self._work(group))  # type: ignore[misc]  # a group a loop

    def wait_quiet(self, timeout_seconds: float) -> None:
        """Return when no resize is under way; each stops soon after its cluster has begun to end."""
        with self._quiet:
            self._quiet.wait_for(lambda: not self._busy, timeout_seconds)

    def _work(self, group: Group) -> None:
        try:
            self._resize(group)
        except InterruptedByEndError:
            pass
        except StartFailureError as failure:
            self._suspend(group, failure.ending.reason)
        except Exception as problem:
            LOG.exception("group %s of %s could not be resized", group.id, self._cluster.id)
            self._suspend(
                group, Reason(ReasonCode.INTERNAL_ERROR, f"{type(problem).__name__}: {problem}"[:500])
            )
        finally:
            with self._quiet:
                self._busy.discard(group.id)
                self._quiet.notify_all()
            with self._cluster.changed:
                self._cluster.changed.notify_all()

    def _resize(self, group: Group) -> None:
        tries = 0
        while True:
            with self._cluster.changed:
                self.check()
                missing = group.requested_count - len(group.present)
                doomed = [i for i in group.present if i.ec2_id in group.told_to_end]
                if missing == 0 and not doomed:
                    self._finish(group)
                    return
            if doomed:
                self._let_go(group, doomed, graceful=False)
            elif missing < 0:
                self._let_go(group, self._layer.order_to_leave(group)[:-missing], graceful=True)
            elif tries == TRIES:
                message = "Instances failed their bootstrap actions"
                raise StartFailureError(endings.by_bootstrap(message))
            elif self._add(group, missing):
                tries += 1

    def _finish(self, group: Group) -> None:
        now = self._clock.now()
        if group.status.state is GroupState.PROVISIONING:
            self._cluster.move(group, GroupState.BOOTSTRAPPING, now)
        self._cluster.move(group, GroupState.RUNNING, now)

    def _add(self, group: Group, count: int) -> int:
        """Launch instances and let them join. Returns how many did not get through."""
        instances = self._layer.launch(group, count)
        try:
            with self._cluster.changed:
                group.instances.extend(instances)
                self.check()
            self._layer.boot_more(group, instances, self.check)
            with self._cluster.changed:
                self.check()
                if group.status.state is GroupState.PROVISIONING:
                    self._cluster.move(group, GroupState.BOOTSTRAPPING, self._clock.now())
                self._move(instances, InstanceState.BOOTSTRAPPING)
            failed = self._layer.join(group, instances, self.check)
        except InterruptedByEndError:
            reason = Reason(ReasonCode.CLUSTER_TERMINATED, states.INSTANCE_TERMINATED_WITH_CLUSTER)
            self._end(instances, reason)
            raise
        except Exception:
            self._end(instances, Reason(ReasonCode.INTERNAL_ERROR, "The instance did not become ready."))
            raise
        self._end(failed, Reason(ReasonCode.BOOTSTRAP_FAILURE, "A bootstrap action failed on the instance."))
        with self._cluster.changed:
            self.check()
            self._move([i for i in instances if i not in failed], InstanceState.RUNNING)
        return len(failed)

    def _let_go(self, group: Group, instances: Sequence[Instance], *, graceful: bool) -> None:
        self.leaving.update(i.ec2_id for i in instances)
        if graceful:
            self._layer.decommission(group, instances, self.check)
        # Guess: the code and words of an instance that a resize has ended are not documented.
        self._end(instances, Reason(message="Instance was terminated by a resize."))

    def _end(self, instances: Sequence[Instance], reason: Reason) -> None:
        if not instances:
            return
        self.leaving.update(i.ec2_id for i in instances)
        self._layer.end(instances)
        with self._cluster.changed:
            self._move(instances, InstanceState.TERMINATED, reason)

    def _move(
        self, instances: Sequence[Instance], state: InstanceState, reason: Reason | None = None
    ) -> None:
        for instance in instances:
            if instance.status.state is not InstanceState.TERMINATED:
                self._cluster.move(instance, state, self._clock.now(), reason)

    def _suspend(self, group: Group, reason: Reason) -> None:
        with self._cluster.changed:
            # Those that were to leave and did not are missed again when they are gone.
            self.leaving.difference_update(i.ec2_id for i in group.present)
            if self._cluster.status.state in states.CLUSTER_LIVE:
                self._cluster.move(group, GroupState.SUSPENDED, self._clock.now(), reason)

    def check(self) -> None:
        """Raise InterruptedByEndError when the cluster is ending."""
        if self._cluster.status.state not in states.CLUSTER_LIVE:
            raise InterruptedByEndError
