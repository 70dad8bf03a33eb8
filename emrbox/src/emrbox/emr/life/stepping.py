"""The steps of one cluster: which start, how they are cancelled, and what follows when one is over."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr.life import decisions, states
from emrbox.emr.life.layer import StepOutcome
from emrbox.emr.life.procedures import Completion, Procedure
from emrbox.emr.life.states import StepState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.layer import StepRun
    from emrbox.emr.life.model import Step

LOG = logging.getLogger(__name__)
KILL = "TERMINATE_PROCESS"  # the StepCancellationOption for SIGKILL


class Stepping:
    """Runs a cluster's steps and keeps their records."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster
        self._runs: dict[str, StepRun | None] = {}  # by step id; None while the process is being started

    @property
    def under_way(self) -> set[str]:
        """The ids of the steps that something runs."""
        return set(self._runs)

    def start_due(self) -> None:
        """Start the pending steps that may start now."""
        for step in decisions.steps_to_start(self._cluster):
            self._context.move(step, StepState.RUNNING)
            self._runs[step.id] = None
            self._context.procedures.begin(self._run(step))

    def _run(self, step: Step) -> Procedure[None]:
        end = Completion[StepOutcome]()
        try:
            start = partial(self._context.layer.start_step, step, partial(self._report, end))
            self._began(step, (yield from self._context.do(f"start of step {step.id}", start)))
            if not end.is_reported:
                yield end
            outcome = end.value()
        except Exception as problem:
            LOG.exception("step %s of %s could not run", step.id, self._cluster.id)
            outcome = StepOutcome.of_problem(problem)
        self._runs.pop(step.id)
        self._finish(step, outcome)

    def _report(self, end: Completion[StepOutcome], outcome: StepOutcome) -> None:
        end.succeed(outcome)
        self._cluster.wake()

    def _began(self, step: Step, run: StepRun) -> None:
        """Remember what runs a step; a cancellation or an end that came before reaches it now."""
        self._runs[step.id] = run
        if not self._context.is_live:
            run.kill()
        elif step.cancellation is not None:
            _stop(run, step.cancellation)

    def cancel(self, step: Step, option: str, now: datetime) -> None:
        """Cancel a step as CancelSteps says (docs/aws_facts.md 1.5); with the lock held, outside of turns.

        A step that has got SIGTERM can still be killed.
        """
        if step.status.state is StepState.PENDING:
            self._cluster.move(step, StepState.CANCELLED, now)
        elif step.status.state is StepState.RUNNING or option == KILL:
            self._cluster.move(step, StepState.CANCEL_PENDING, now)
            step.cancellation = option
            if (run := self._runs.get(step.id)) is not None:
                _stop(run, option)
        self._cluster.wake()

    def close(self, *, master_gone: bool) -> None:
        """Close every unfinished step: the cluster ends."""
        for step in self._cluster.active_steps:
            cut_off = master_gone and step.status.state in states.STEP_STARTED
            # Guess (docs/aws_facts.md 14.2): cancelled by an end, interrupted by the master's death.
            state = StepState.INTERRUPTED if cut_off else StepState.CANCELLED
            self._context.move(step, state)
        for run in self._runs.values():
            if run is not None:
                run.kill()

    def _finish(self, step: Step, outcome: StepOutcome) -> None:
        """Record how a step has ended, and follow its ActionOnFailure."""
        move = self._context.move
        if step.status.state not in states.STEP_STARTED:
            return  # the cluster's end has already closed it
        if outcome.exit_code != 0 and not self._context.is_live:
            return  # cut off by the cluster's end, which closes it
        step.application_ids = outcome.application_ids
        if outcome.exit_code == 0:
            move(step, StepState.COMPLETED)
        elif step.status.state is StepState.CANCEL_PENDING:
            move(step, StepState.CANCELLED)
        else:
            step.failure = outcome.failure
            move(step, StepState.FAILED)
            self._follow(step)

    def _follow(self, failed: Step) -> None:
        cluster = self._cluster
        if decisions.cancels_the_rest(cluster, failed):
            for pending in cluster.active_steps:
                if pending.status.state is StepState.PENDING:
                    self._context.move(pending, StepState.CANCELLED)
        if ending := decisions.ending_after_failure(cluster, failed):
            cluster.end(ending, self._context.now)


def _stop(run: StepRun, option: str) -> None:
    """Stop a step as its StepCancellationOption requires."""
    if option == KILL:
        run.kill()
    else:
        run.interrupt()
