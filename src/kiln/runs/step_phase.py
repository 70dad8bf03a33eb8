"""One step of a run: added once, waited for, and its cause read while the nodes are still there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kiln.emr import add_steps, steps
from kiln.errors import InterruptedRunError, KilnError, StepFailedError, naming_step
from kiln.runs.result import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.ledger.store import Ledger
    from kiln.reporter import Reporter
    from kiln.runs.limits import Limits
    from kiln.runs.result import Result
    from kiln.settings.model import StepSettings

# For how long the cause of a failure is asked for: the end of the cluster waits for it.
_CAUSE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class StepPhase:
    """Runs steps and puts them into the result.

    `explain` returns the lines that say why a step failed. `cancels`: an interrupted step is cancelled,
    because this command does not end the cluster.
    """

    context: Context
    ledger: Ledger
    limits: Limits
    reporter: Reporter
    result: Result
    explain: Callable[[Context, Cluster, Step], list[str]]
    cancels: bool

    def run(self, cluster: Cluster, wanted: StepSettings) -> bool:
        """Run a step to its end; return whether it was added now. Raises KilnError when it fails or is late.

        A step is late after its own limit, or at the deadline of the context, whichever comes first.
        """
        context = replace(self.context, report=self.reporter.line)
        try:
            added, new = add_steps.add(context, cluster.id, wanted, self.ledger)
            if not new:
                self.reporter.line(f"step {added.name}: exists already as {added.id} ({added.state})")
            with naming_step(added.id):
                self._wait(context, cluster, added, wanted)
        except InterruptedRunError as error:
            # Also a step that was added and that AWS does not show yet.
            if self.cancels and error.step_id is not None:
                steps.cancel(context, cluster.id, error.step_id, wanted.name)
            raise
        return new

    def _wait(self, context: Context, cluster: Cluster, added: Step, wanted: StepSettings) -> None:
        try:
            done = steps.run_to_end(
                context,
                cluster.id,
                added,
                self.ledger,
                timeout_seconds=wanted.timeout_seconds or self.limits.step_seconds,
                interval_seconds=self.limits.interval_seconds,
            )
        except InterruptedRunError:
            raise
        except KilnError as error:
            self._add_cause(cluster, added, error)
            raise
        self.result.steps.append(_result_of(done))

    def _add_cause(self, cluster: Cluster, step: Step, error: KilnError) -> None:
        """Read the cause while the nodes are still there; not finding it changes nothing."""
        bounded = self.context.unstoppable().within(_CAUSE_SECONDS)
        try:
            seen = steps.seen_if_any(bounded, cluster.id, step.id) or step
            self.result.steps.append(_result_of(seen))
            if isinstance(error, StepFailedError):
                self.result.details = self.explain(bounded, cluster, seen)
        except Exception as problem:  # noqa: BLE001  # the step's own failure must be reported all the same
            self.reporter.line(f"the cause could not be read: {problem}")


def _result_of(step: Step) -> StepResult:
    return StepResult(name=step.name, id=step.id, state=step.state, seconds=steps.seconds(step))
