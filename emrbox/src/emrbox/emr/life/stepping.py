"""The steps of one cluster: which start, how they are cancelled, and what follows when one is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, states
from emrbox.emr.life.states import StepState

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.emr.life.clock import Clock
    from emrbox.emr.life.layer import StepOutcome, StepRun
    from emrbox.emr.life.model import Cluster, Step

KILL = "TERMINATE_PROCESS"  # the StepCancellationOption that does not ask


class Stepping:
    """Keeps the records of a cluster's steps.

    `set_going` begins to run a step, at once or soon, and must not wait; whoever runs it then calls `began`,
    and in any case `over`.
    """

    def __init__(self, cluster: Cluster, clock: Clock, set_going: Callable[[Step], None]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._set_going = set_going
        self._runs: dict[str, StepRun] = {}

    def start_due(self) -> None:
        """Start the pending steps that may start now; under the cluster's condition."""
        for step in decisions.steps_to_start(self._cluster):
            self._cluster.move(step, StepState.RUNNING, self._clock.now())
            self._set_going(step)

    def began(self, step: Step, run: StepRun) -> None:
        """Remember what runs a step; a cancellation or an end that came before reaches it now."""
        with self._cluster.changed:
            self._runs[step.id] = run
            if self._cluster.status.state not in states.CLUSTER_LIVE:
                run.kill()
            elif step.cancellation is not None:
                _stop(run, step.cancellation)

    def over(self, step: Step, outcome: StepOutcome) -> None:
        """Record how a step has ended, and do what its ActionOnFailure says."""
        with self._cluster.changed:
            self._runs.pop(step.id, None)
            self._finish(step, outcome)
            self._cluster.changed.notify_all()

    def cancel(self, step: Step, option: str) -> None:
        """Cancel a step as CancelSteps says (emr-facts 1.5); under the cluster's condition.

        A step that was only asked to stop can still be killed.
        """
        if step.status.state is StepState.PENDING:
            self._cluster.move(step, StepState.CANCELLED, self._clock.now())
        elif step.status.state is StepState.RUNNING or option == KILL:
            self._cluster.move(step, StepState.CANCEL_PENDING, self._clock.now())
            step.cancellation = option
            if (run := self._runs.get(step.id)) is not None:
                _stop(run, option)
        self._cluster.changed.notify_all()

    def close(self, *, master_gone: bool) -> None:
        """Let no step go on: the cluster ends; under its condition."""
        for step in self._cluster.active_steps:
            cut_off = master_gone and step.status.state in states.STEP_STARTED
            # Guess (emr-facts open doubt 2): cancelled by an end, interrupted by the master's death.
            state = StepState.INTERRUPTED if cut_off else StepState.CANCELLED
            self._cluster.move(step, state, self._clock.now())
        for run in self._runs.values():
            run.kill()

    def _finish(self, step: Step, outcome: StepOutcome) -> None:
        cluster, now = self._cluster, self._clock.now()
        if step.status.state not in states.STEP_STARTED:
            return  # the cluster's end has already closed it
        if outcome.exit_code != 0 and cluster.status.state not in states.CLUSTER_LIVE:
            return  # cut off by the cluster's end, which closes it
        step.application_ids = outcome.application_ids
        if outcome.exit_code == 0:
            cluster.move(step, StepState.COMPLETED, now)
        elif step.status.state is StepState.CANCEL_PENDING:
            cluster.move(step, StepState.CANCELLED, now)
        else:
            step.failure = outcome.failure
            cluster.move(step, StepState.FAILED, now)
            if decisions.cancels_the_rest(cluster, step):
                for pending in cluster.active_steps:
                    if pending.status.state is StepState.PENDING:
                        cluster.move(pending, StepState.CANCELLED, now)
            if ending := decisions.ending_after_failure(cluster, step):
                cluster.end(ending, now)


def _stop(run: StepRun, option: str) -> None:
    """Do what the StepCancellationOption says."""
    if option == KILL:
        run.kill()
    else:
        run.interrupt()
