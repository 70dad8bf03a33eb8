"""What one `kiln run` does, and how it enters its run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from kiln.emr import cancelling
from kiln.emr.at_work import Arrival
from kiln.emr.pipeline_lock import PipelineLock
from kiln.emr.waiting import Waiting
from kiln.identity import Identity
from kiln.ledger.drivers import Work
from kiln.ledger.schema import StepIdentity
from kiln.runs import step_terms
from kiln.runs.attempts import Policy
from kiln.settings.existing_cluster import ExistingCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.diagnosis.cause import Explain
    from kiln.emr.cancelling import Kill
    from kiln.runs.limits import Limits
    from kiln.runs.selection import Selection
    from kiln.runs.step_terms import Ship
    from kiln.settings.ansible_values import Question
    from kiln.settings.model import ClusterShape, Ending, IfRunning


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one command does: for which run, with which account and limits, and which phases.

    `parallel_runs` runs of the pipeline may be at work at once (0: any number). `if_running` says what to do
    when others are at this work; `waits_for_driver`: another command of this run is waited for in any case.
    `skips_complete`: exit 99 when all steps were complete before.
    """

    question: Question
    account: Ending
    selected: Selection
    limits: Limits
    owner: str = ""
    attempts: Policy = field(default_factory=Policy)
    shape: ClusterShape | None = None
    existing: ExistingCluster = field(default_factory=ExistingCluster)
    expected: Callable[[], StepIdentity] = StepIdentity
    resumes: bool = False
    kill: Kill = cancelling.nothing
    ship: Ship = step_terms.nothing_sent
    explain: Explain = step_terms.no_cause
    parallel_runs: int = 0
    if_running: IfRunning = "fail"
    waits_for_driver: bool = False
    skips_complete: bool = False

    @property
    def identity(self) -> Identity:
        """Return the run."""
        asked = self.question
        return Identity(
            environment=asked.environment,
            pipeline=asked.pipeline,
            run_id=asked.run_id or "",
            owner=self.owner,
        )

    def arrival(self, context: Context) -> Arrival:
        """Return how this command enters its run. It takes the lock with its first action that launches."""
        launches = self.selected.launches
        return Arrival(
            context=context,
            identity=self.identity,
            state_uri=self.account.kiln_state_uri,
            work=Work(
                self.selected.names,
                whole=self.selected.ends,
                begins_anew=launches,
            ),
            limits=self._ending,
            kill=self.kill,
            most=self.parallel_runs if launches else None,
        )

    def lock(self, context: Context) -> PipelineLock:
        """Return the lock of the pipeline, for a command that only gives it back."""
        return PipelineLock(
            context=context,
            identity=self.identity,
            state_uri=self.account.kiln_state_uri,
            limits=self._ending,
        )

    @property
    def _ending(self) -> Waiting:
        limits = self.limits
        return Waiting(timeout_seconds=limits.terminate_seconds, interval_seconds=limits.interval_seconds)

    def after(self, waited_seconds: float) -> Job:
        """Return the job with what is left of the run's time."""
        if not self.limits.run_seconds:
            return self
        left = max(1.0, self.limits.run_seconds - waited_seconds)
        return replace(self, limits=msgspec.structs.replace(self.limits, run_seconds=left))
