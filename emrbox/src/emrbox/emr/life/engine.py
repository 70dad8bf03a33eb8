"""One cluster's life: a thread drives it from STARTING to its end and never leaves its machines behind."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, endings, states
from emrbox.emr.life.layer import InterruptedByEndError, NodeLayer, StartFailureError, StepOutcome
from emrbox.emr.life.model import Cluster, Ending, FailureDetails, Group, Reason, Step
from emrbox.emr.life.resizing import Resizing
from emrbox.emr.life.states import ClusterState, GroupState, InstanceState, ReasonCode
from emrbox.emr.life.stepping import Stepping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emrbox.emr.life.clock import Clock

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 1.0  # how often lost instances are looked for
LOOK_AT_IDLENESS_SECONDS = 5.0  # it asks YARN and HDFS
PUSH_LOGS_SECONDS = 300.0  # emr-facts 3.2
RESIZE_STOPS_SECONDS = 60.0


class Engine:
    """Drives one cluster. `wake` after changing the cluster's records."""

    def __init__(self, cluster: Cluster, layer: NodeLayer, clock: Clock) -> None:
        self._cluster = cluster
        self._layer = layer
        self._clock = clock
        self.resizing = Resizing(cluster, layer, clock, self._in_background)
        self.stepping = Stepping(cluster, clock, self._set_going)
        self._last_active = clock.now()
        self._last_push = clock.now()
        self._next_idle_look = clock.now()

    def start(self) -> threading.Thread:
        """Run the cluster's life in a thread of its own."""
        thread = threading.Thread(target=self.run, name=f"emr-{self._cluster.id}", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Live. Returns when the cluster is over and its machines are gone."""
        try:
            self._bring_up()
            self._serve()
        except Exception as problem:  # noqa: BLE001  # whatever it is, machines are not left behind
            self._end_by(problem)
        finally:
            self._tear_down()

    def protect_instances(self, *, protected: bool) -> None:
        """Carry the cluster's termination protection to its instances."""
        self._layer.protect(protected=protected)

    def _in_background(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=f"emr-resize-{self._cluster.id}", daemon=True).start()

    def tag_instances(
        self, *, set_tags: Mapping[str, str] | None = None, remove_keys: Sequence[str] = ()
    ) -> None:
        """Carry a change of the cluster's tags to its instances."""
        self._layer.tag_instances(dict(set_tags or {}), list(remove_keys))

    # -- start ---------------------------------------------------------------------------------------------

    def _bring_up(self) -> None:
        self._launch()
        self._layer.boot(self._check)
        self._enter(ClusterState.BOOTSTRAPPING, GroupState.BOOTSTRAPPING, InstanceState.BOOTSTRAPPING)
        self._layer.bootstrap(self._check)
        self._layer.provision(self._check)
        self._become_ready()

    def _launch(self) -> None:
        cluster = self._cluster
        self._say(states.PROVISIONING_CAPACITY)
        for group in cluster.groups:
            instances = self._layer.launch(group, group.requested_count)
            with cluster.changed:
                group.instances.extend(instances)
        self._check()
        self._say(states.CONFIGURING_SOFTWARE)

    def _become_ready(self) -> None:
        cluster = self._cluster
        with cluster.changed:
            self._check()
            for group in cluster.groups:
                self._move_group(group, GroupState.RUNNING, InstanceState.RUNNING)
            cluster.master_dns = cluster.master.instances[0].private_dns
            self._last_active = self._clock.now()

    def _say(self, message: str) -> None:
        with self._cluster.changed:
            self._check()
            self._cluster.move(
                self._cluster, self._cluster.status.state, self._clock.now(), Reason(message=message)
            )

    def _enter(self, state: ClusterState, group_state: GroupState, instance_state: InstanceState) -> None:
        with self._cluster.changed:
            self._check()
            reason = Reason(message=states.RUNNING_BOOTSTRAP_ACTIONS)
            self._cluster.move(self._cluster, state, self._clock.now(), reason)
            for group in self._cluster.groups:
                self._move_group(group, group_state, instance_state)

    def _move_group(self, group: Group, state: GroupState, instance_state: InstanceState) -> None:
        now = self._clock.now()
        self._cluster.move(group, state, now)
        for instance in group.instances:
            if instance.status.state is not InstanceState.TERMINATED:
                self._cluster.move(instance, instance_state, now)

    def _check(self) -> None:
        if self._cluster.status.state not in states.CLUSTER_LIVE:
            raise InterruptedByEndError

    # -- service -------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        cluster = self._cluster
        while True:
            self._look()
            with cluster.changed:
                if cluster.status.state not in states.CLUSTER_LIVE:
                    return
                self._advance()
                if cluster.status.state in states.CLUSTER_LIVE:
                    self._clock.wait(cluster.changed, LOOK_SECONDS)

    def _look(self) -> None:
        """See what has happened outside of the records."""
        self._look_for_lost_instances()
        self._look_at_idleness()
        self._push_when_due()

    def _advance(self) -> None:
        """Start steps, or settle in WAITING, or end; under the cluster's condition."""
        cluster = self._cluster
        if cluster.status.state not in states.CLUSTER_READY:
            # Ready for the first time: the state says at once what the cluster does.
            if not cluster.active_steps and (ending := decisions.ending_when_idle(cluster)):
                cluster.move(cluster, ClusterState.RUNNING, self._clock.now())
                cluster.end(ending, self._clock.now())
                return
            state = ClusterState.RUNNING if cluster.active_steps else ClusterState.WAITING
            cluster.move(cluster, state, self._clock.now(), decisions.waiting_reason(cluster))
        self.resizing.start_due()
        self.stepping.start_due()
        if cluster.active_steps:
            cluster.move(
                cluster, ClusterState.RUNNING, self._clock.now(), Reason(message=states.RUNNING_STEP)
            )
        elif ending := decisions.ending_when_idle(cluster):
            cluster.end(ending, self._clock.now())
        elif cluster.status.state is not ClusterState.WAITING:
            cluster.move(cluster, ClusterState.WAITING, self._clock.now(), decisions.waiting_reason(cluster))

    def _set_going(self, step: Step) -> None:
        threading.Thread(target=self._run_step, args=(step,), name=f"emr-{step.id}", daemon=True).start()

    def _run_step(self, step: Step) -> None:
        try:
            run = self._layer.start_step(step)
            self.stepping.began(step, run)
            outcome = run.wait()
        except Exception as problem:
            LOG.exception("step %s of %s could not run", step.id, self._cluster.id)
            outcome = StepOutcome(1, FailureDetails("Unknown Error.", str(problem)[:500], None))
        self.stepping.over(step, outcome)

    def _look_for_lost_instances(self) -> None:
        lost = self._layer.lost_instances() - self.resizing.leaving
        if not lost:
            return
        with self._cluster.changed:
            reason = Reason(ReasonCode.INSTANCE_FAILURE, "Instance was terminated.")
            for instance in self._cluster.instances:
                if instance.ec2_id in lost and instance.status.state is not InstanceState.TERMINATED:
                    self._cluster.move(instance, InstanceState.TERMINATED, self._clock.now(), reason)
            if ending := decisions.ending_by_lost_instances(self._cluster):
                self._cluster.end(ending, self._clock.now())

    def _look_at_idleness(self) -> None:
        """Follow the auto-termination policy: idle is no step to run and nothing active (emr-facts 1.6)."""
        cluster = self._cluster
        if cluster.idle_timeout_seconds is None:
            self._last_active = self._clock.now()
            return
        now = self._clock.now()
        if now < self._next_idle_look:
            return
        self._next_idle_look = now + timedelta(seconds=LOOK_AT_IDLENESS_SECONDS)
        busy = bool(cluster.active_steps) or self._layer.busy()
        with cluster.changed:
            if busy:
                self._last_active = now
            limit = cluster.idle_timeout_seconds
            if limit is not None and now - self._last_active >= timedelta(seconds=limit):
                cluster.end(endings.by_idle_policy(), now)

    def _push_when_due(self) -> None:
        now = self._clock.now()
        if (now - self._last_push).total_seconds() >= PUSH_LOGS_SECONDS:
            self._last_push = now
            self._layer.push_logs()

    # -- end -----------------------------------------------------------------------------------------------

    def _end_by(self, problem: Exception) -> None:
        """End the cluster after what went wrong in its start or service."""
        if isinstance(problem, InterruptedByEndError):
            return
        self._blame_lost_instances()
        if isinstance(problem, StartFailureError):
            self._end(problem.ending)
            return
        LOG.error("cluster %s failed", self._cluster.id, exc_info=problem)
        message = f"{type(problem).__name__}: {problem}"
        self._end(Ending(Reason(ReasonCode.INTERNAL_ERROR, message[:500]), with_errors=True))

    def _blame_lost_instances(self) -> None:
        """Whatever fails when the master has gone fails because it has."""
        try:
            self._look_for_lost_instances()
        except Exception:
            LOG.exception("the instances of %s could not be looked for", self._cluster.id)

    def _end(self, ending: Ending) -> None:
        with self._cluster.changed:
            self._cluster.end(ending, self._clock.now())

    def _tear_down(self) -> None:
        self._close()
        self.resizing.wait_quiet(RESIZE_STOPS_SECONDS)
        try:
            self._layer.shut_down()
        except Exception:
            LOG.exception("the machines of %s did not end as they should", self._cluster.id)
        self._be_over()

    def _close(self) -> None:
        """Let no step go on."""
        cluster = self._cluster
        with cluster.changed:
            master_gone = decisions.ending_by_lost_instances(cluster) is not None and bool(cluster.instances)
            for group in cluster.groups:
                cluster.move(group, GroupState.TERMINATING, self._clock.now())
            self.stepping.close(master_gone=master_gone)

    def _be_over(self) -> None:
        cluster = self._cluster
        with cluster.changed:
            now = self._clock.now()
            reason = Reason(ReasonCode.CLUSTER_TERMINATED, states.INSTANCE_TERMINATED_WITH_CLUSTER)
            for group in cluster.groups:
                for instance in group.instances:
                    if instance.status.state is not InstanceState.TERMINATED:
                        self._cluster.move(instance, InstanceState.TERMINATED, now, reason)
                self._cluster.move(group, GroupState.TERMINATED, now, reason)
            ending = cluster.ending
            with_errors = ending is None or ending.with_errors
            state = ClusterState.TERMINATED_WITH_ERRORS if with_errors else ClusterState.TERMINATED
            cluster.move(cluster, state, now, ending.reason if ending else None)
            cluster.changed.notify_all()
