"""What people type, as drivers of a simulation: `kiln run` (lock, heartbeat), `resume`, `cancel`, `reap`.

The same order as in kiln.commands.run_session: enter, execute, leave.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fakes import FakeAws, FakePlaybooks, Silence, shape
from run_world import LIMITS, STEPS

from kiln.aws.context import Context
from kiln.emr import clusters, reaper
from kiln.emr.at_work import Arrival
from kiln.emr.pipeline_lock import PipelineLock
from kiln.emr.sweep import Asked
from kiln.emr.waiting import Waiting
from kiln.errors import KilnError
from kiln.identity import Identity
from kiln.ledger.drivers import Work
from kiln.ledger.store import Ledger
from kiln.runs import execution, selection
from kiln.runs.attempts import Policy
from kiln.runs.beating_playbooks import BeatingPlaybooks
from kiln.runs.cancellation import Cancellation
from kiln.runs.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.emr.at_work import AtWork
    from kiln.emr.reaper import Report
    from kiln.runs.selection import Selection
    from kiln.settings.model import StepSettings

STATE = "s3://state/kiln"
ENDING = Waiting(timeout_seconds=LIMITS.terminate_seconds, interval_seconds=LIMITS.interval_seconds)
GRACE_SECONDS = 600.0


def context_of(aws: FakeAws, seed: int = 1) -> Context:
    """Return the context of one process."""
    return Context(aws=aws, clock=aws.clock, random=random.Random(seed))  # noqa: S311  # jitter


@dataclass(kw_only=True)
class Command:
    """`kiln run model_building [ACTIONS] --env local --run-id RUN_ID`, in a process of its own.

    `most`: how many runs of the pipeline may be at work (kiln_parallel_runs). `resumes`: it is `kiln resume`.
    """

    aws: FakeAws
    actions: str | None = None
    run_id: str = "r1"
    steps: Sequence[StepSettings] = STEPS
    seed: int = 1
    most: int = 1
    resumes: bool = False
    attempts: Policy = field(default_factory=lambda: Policy(attempts=2, delay_seconds=60))
    context: Context = field(init=False)
    identity: Identity = field(init=False)

    def __post_init__(self) -> None:
        self.context = context_of(self.aws, self.seed)
        self.identity = Identity(
            environment="local", pipeline="model_building", run_id=self.run_id, owner="ops"
        )

    def run(self) -> Result:
        """Do it; an error before the run begins is in the result, too."""
        selected = selection.make(selection.actions(self.actions), self.steps)
        try:
            return self._run(selected)
        except KilnError as error:
            result = Result(environment="local", pipeline="model_building", run_id=self.run_id)
            result.take_over(error, None)
            return result

    def _run(self, selected: Selection) -> Result:
        if selected.only_ends:
            result = self._execution(selected, None).run()
            lock = PipelineLock(context=self.context, identity=self.identity, state_uri=STATE, limits=ENDING)
            lock.release()
            return result
        at_work = self._arrival(selected).enter()
        try:
            result = self._execution(selected, at_work).run()
        finally:
            at_work.leave()
        if at_work.lost is not None:
            result.take_over(at_work.lost, None)
        return result

    def _arrival(self, selected: Selection) -> Arrival:
        return Arrival(
            context=self.context,
            identity=self.identity,
            state_uri=STATE,
            work=Work(selected.names, whole=selected.ends, begins_anew=selected.launches),
            limits=ENDING,
            most=self.most if selected.launches else None,
        )

    def _execution(self, selected: Selection, at_work: AtWork | None) -> execution.Execution:
        context = at_work.context if at_work else self.context
        own = Ledger(context.effects, context.clock, STATE, self.identity)
        ledger = at_work.ledger if at_work else own
        playbooks = FakePlaybooks(context, self.identity, ledger, shape())
        return execution.Execution(
            context=context,
            identity=self.identity,
            limits=LIMITS,
            selection=selected,
            ledger=ledger,
            playbooks=BeatingPlaybooks(playbooks, at_work.presence.beat_if_due) if at_work else playbooks,
            reporter=Silence(),
            arguments=[],
            explain=lambda *_: None,
            attempts=self.attempts,
            resumes=self.resumes,
        )


def cancel(aws: FakeAws, run_id: str) -> None:
    """Do what `kiln cancel model_building --env local --run-id RUN_ID` does, where nothing runs in YARN."""
    context = context_of(aws)
    run = Identity(environment="local", pipeline="model_building", run_id=run_id)
    ledger = Ledger(context.effects, context.clock, STATE, run)
    with suppress(KilnError):
        live = [one.id for one in clusters.listed(context, "local", "model_building", run_id)]
        Cancellation(context=context, ledger=ledger, kill=lambda *_: "").cancel(live, None)


def reap(aws: FakeAws) -> Report:
    """Do what `kiln reap --env local --yes` does."""
    return reaper.reap(context_of(aws), Asked("local", STATE, GRACE_SECONDS), ENDING)
