"""What a command has to do of the steps that it was asked for: what its run has complete is not run again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln.emr import finding
from kiln.errors import UsageError
from kiln.ledger.schema import REFUSED, StepIdentity
from kiln.runs import to_do
from kiln.runs.to_do import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.identity import Identity
    from kiln.ledger.schema import Run
    from kiln.reporter import Reporter
    from kiln.runs.result import Result
    from kiln.runs.scope import Scope
    from kiln.runs.selection import Selection
    from kiln.settings.model import StepSettings
    from kiln.settings.step_needs import Needs


@dataclass(kw_only=True)
class StepPlan:
    """Decides by the ledger and AWS, and puts what is complete into the result.

    `expected` returns the commit and the environment that a launch would deploy. `resumes`: a complete step
    whose identity is another one now is run again; otherwise that is refused.
    """

    scope: Scope
    identity: Identity
    selection: Selection
    reporter: Reporter
    result: Result
    expected: Callable[[], StepIdentity] = StepIdentity
    resumes: bool = False
    # Steps that run also when they are complete.
    again: frozenset[str] = field(init=False)
    # The steps that a launch has to run when its cluster ends by itself.
    to_launch: list[str] = field(init=False)
    # Whether any step was not complete before this command, or has to run again.
    has_work: bool = field(default=False, init=False)
    # Decisions that were shown: the same one, made before the launch and on the cluster, is shown once.
    _shown: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        """Begin with what the command line asks for."""
        self.again = self.selection.again
        self.to_launch = [one.name for one in self.selection.steps]

    @property
    def needs(self) -> Needs:
        """Return what each step of the pipeline waits for."""
        return self.selection.step_needs

    @property
    def ends(self) -> bool:
        """Return whether this command ends the cluster after the steps."""
        return self.selection.ends

    def begin_anew(self) -> None:
        """Go on with another attempt: what this command has completed is not asked for again, nor refused."""
        self.resumes = True
        self.again -= {one.name for one in self.result.steps if one.state == "COMPLETED"}

    def leaves_nothing(self) -> bool:
        """Return, before a launch, whether a whole run has nothing left to do.

        Raises UsageError for another identity: no cluster is launched for that.
        """
        run = self.scope.ledger.read_if_possible() if self.selection.launches else None
        if run is None or not run.steps or not self.selection.steps:
            return False
        context = self.scope.context
        usable = finding.usable(context, self.identity, self.scope.ledger)
        decisions = to_do.plan(
            context,
            run,
            self.selection.steps,
            needs=self.needs,
            cluster_id=usable[0].id if usable else None,
            again=self._again_now(run),
            expected=StepIdentity() if usable else self.expected(),
            whole=self.selection.whole,
        )
        self._decide(decisions)
        self.to_launch = [one.settings.name for one in decisions if one.runs]
        if not self.selection.whole:
            return False
        self._show(decisions)
        if any(one.runs for one in decisions):
            return False
        self.result.steps += [one.result for one in decisions if one.result is not None]
        return True

    def on(self, cluster_id: str, steps: Sequence[StepSettings]) -> list[Decision]:
        """Decide about steps on a cluster. Raises UsageError for another identity."""
        run = self.scope.ledger.read_if_possible()
        tried = {entry.name for entry in run.steps} if run else set()
        chosen = list({one.name: one for one in steps}.values())
        if tried.isdisjoint(one.name for one in chosen):
            self.has_work = True
            return [Decision(one, runs=True, why="it has not run yet") for one in chosen]
        decisions = to_do.plan(
            self.scope.context,
            run,
            chosen,
            needs=self.needs,
            cluster_id=cluster_id,
            again=self._again_now(run),
            whole=self.selection.whole,
        )
        self._decide(decisions)
        self._show(decisions)
        return decisions

    def _again_now(self, run: Run | None) -> frozenset[str]:
        """Return which steps are to run again, without those that were added for the same request."""
        request = self.selection.request
        if run is None or not request:
            return self.again
        last = {entry.name: entry.request for entry in run.steps if entry.state != REFUSED}
        return frozenset(name for name in self.again if last.get(name) != request)

    def _show(self, decisions: Sequence[Decision]) -> None:
        for line in (one.line for one in decisions if one.entry is not None):
            if line not in self._shown:
                self._shown.add(line)
                self.reporter.line(line)

    def _decide(self, decisions: Sequence[Decision]) -> None:
        self._refuse(decisions)
        self.has_work |= any(one.runs for one in decisions)

    def _refuse(self, decisions: Sequence[Decision]) -> None:
        if self.resumes:
            return
        for one in decisions:
            if one.changed:
                raise UsageError(
                    f"step {one.settings.name} of this run is {one.why}",
                    details=one.changed,
                    fix="give the same date and variables as before, begin a new run, or run it --again",
                )
