"""The outcome of a run: what AWS says about it, and what its ledger keeps of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kiln.emr import states, verdicts
from kiln.emr.states import Verdict
from kiln.errors import InterruptedRunError, caught
from kiln.exit_codes import ExitCode
from kiln.runs import outputs

if TYPE_CHECKING:
    from kiln.errors import KilnError
    from kiln.ledger.schema import Run
    from kiln.runs.result import Result
    from kiln.runs.scope import Scope
    from kiln.runs.selection import Selection


@dataclass(frozen=True)
class Outcome:
    """Concludes the result of one `kiln run`."""

    scope: Scope
    selection: Selection
    result: Result

    def conclude(self, error: KilnError | None, ending: KilnError | None) -> Result:
        """Say how it went. A cluster that may still cost money is reported before all else."""
        failure = ending or error
        if failure is not None:
            self.result.take_over(failure, error)
        # What AWS says now completes the result; failing to read it does not change the exit code.
        caught(self._add_cluster)
        caught(self._add_outputs)
        caught(lambda: self._judge(failure))
        caught(self._remember)
        return self.result

    def is_known(self) -> bool:
        """Return whether this run has a cluster or a ledger. Nothing is written about one without."""
        return self.result.cluster_id is not None or self.scope.ledger.read_if_possible() is not None

    def _add_cluster(self) -> None:
        result = self.result
        if result.cluster_id is None:
            run = self.scope.ledger.read_if_possible()
            result.cluster_id = run.cluster_ids[-1] if run and run.cluster_ids else None
        if result.cluster_id is not None:
            cluster = self.scope.context.effects.describe_cluster(result.cluster_id)
            result.cluster_state = cluster.state
            result.logs = [f"{cluster.log_uri}{cluster.id}/"] if cluster.log_uri else []

    def _add_outputs(self) -> None:
        done = {step.name for step in self.result.steps if step.state == "COMPLETED"}
        wanted = [phase.step for phase in self.selection.phases if phase.step and phase.name in done]
        self.result.outputs.extend(outputs.collect(self.scope.context.effects, wanted))

    def _judge(self, failure: KilnError | None) -> None:
        self.result.verdict = self._verdict(failure).value

    def _verdict(self, failure: KilnError | None) -> Verdict:
        if isinstance(failure, InterruptedRunError) or (
            failure and failure.exit_code is ExitCode.STEP_CANCELLED
        ):
            return Verdict.CANCELLED
        if failure is not None:
            return Verdict.FAILED
        if self.selection.whole:
            return states.verdict_of_steps(step.state for step in self.result.steps)
        if not self.selection.ends:
            return Verdict.RUNNING
        return verdicts.of_ended(
            self.scope.context, self.scope.ledger.read_if_possible(), self.result.cluster_id
        )

    def _remember(self) -> None:
        result = self.result

        def change(run: Run) -> None:
            run.verdict, run.exit_code, run.message = result.verdict, result.exit_code, result.message
            run.failed_phase = result.phase
            run.concluded = run.begun
            # Actions come one by one: what an earlier one left stays in the ledger.
            filled = {one["uri"]: one for one in [*run.outputs, *msgspec.to_builtins(result.outputs)]}
            run.outputs = list(filled.values())

        if self.is_known():
            self.scope.ledger.try_update(change)
