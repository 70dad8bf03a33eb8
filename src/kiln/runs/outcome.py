"""The outcome of a run: what AWS says about it, and what its ledger keeps of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kiln.emr import verdict_table, verdicts
from kiln.emr.states import Verdict
from kiln.emr.verdict_facts import Evidence, StepFact
from kiln.errors import caught
from kiln.exit_codes import NAMES
from kiln.failure_classes import FailureClass
from kiln.runs import outputs

if TYPE_CHECKING:
    from kiln.errors import KilnError
    from kiln.ledger.schema import Run
    from kiln.runs.result import Result
    from kiln.runs.scope import Scope
    from kiln.runs.selection import Selection


# All other classes of failures are a failed run.
_OF_CLASS = {FailureClass.CANCELLED: Verdict.CANCELLED, FailureClass.UNKNOWN: Verdict.UNKNOWN}


@dataclass(frozen=True)
class Outcome:
    """Concludes the result of one `kiln run`."""

    scope: Scope
    selection: Selection
    result: Result

    def conclude(
        self, error: KilnError | None, ending: KilnError | None, *, remembers: bool = True
    ) -> Result:
        """Say how it went. A cluster that may still cost money is reported before all else.

        `remembers` False: the command was refused, and the ledger keeps the verdict that it has.
        """
        failure = ending or error
        if failure is not None:
            self.result.take_over(failure, error)
        # What AWS says now completes the result; failing to read it does not change the exit code.
        caught(self._add_cluster)
        caught(self._add_outputs)
        caught(lambda: self._judge(failure))
        if remembers:
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
        if failure is not None:
            self.result.verdict = _OF_CLASS.get(failure.failure_class, Verdict.FAILED).value
        elif self.selection.whole:
            self._take(verdict_table.judge(Evidence(steps=self._steps())))
        elif not self.selection.ends:
            self.result.verdict = Verdict.RUNNING.value
        else:
            run = self.scope.ledger.read_if_possible()
            shown = verdicts.after_end(self.scope.context, run, self.result.cluster_id)
            self.result.verdict, self.result.failure_class = shown.verdict, shown.failure_class

    def _steps(self) -> tuple[StepFact, ...]:
        optional = {phase.name for phase in self.selection.phases if phase.step and phase.step.optional}
        return tuple(
            StepFact(name=one.name, state=one.state, optional=one.name in optional)
            for one in self.result.steps
        )

    def _take(self, row: verdict_table.Row) -> None:
        """Put the verdict of a whole run without an error into the result: it is no success by that alone."""
        result = self.result
        result.verdict = row.verdict.value
        if row.failure_class is not None:
            result.exit_code, result.exit_name = int(row.exit_code), NAMES[row.exit_code]
            result.failure_class, result.message = row.failure_class.value, row.evidence
            result.fix = row.meaning.what_to_do

    def _remember(self) -> None:
        result = self.result

        def change(run: Run) -> None:
            run.verdict, run.exit_code, run.message = result.verdict, result.exit_code, result.message
            run.failed_phase, run.failure_class = result.phase, result.failure_class
            run.concluded = run.begun
            if result.failure_class and run.attempts and run.attempts[-1].cluster_id == result.cluster_id:
                run.attempts[-1].failure_class = result.failure_class
                run.attempts[-1].message = result.message
            # Actions come one by one: what an earlier one left stays in the ledger.
            filled = {one["uri"]: one for one in [*run.outputs, *msgspec.to_builtins(result.outputs)]}
            run.outputs = list(filled.values())

        if self.is_known():
            self.scope.ledger.try_update(change)
