"""Several commands on one pipeline, each a driver of its own, on one virtual clock and one AWS in memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from fakes import FakeAws, FakePlaybooks, Silence, VirtualClock, shape
from run_world import LIMITS, STEPS

from kiln.aws.context import Context
from kiln.emr.at_work import Arrival, AtWork
from kiln.emr.waiting import Waiting
from kiln.identity import Identity
from kiln.ledger.drivers import Work
from kiln.ledger.locks import LockStore
from kiln.ledger.store import Ledger
from kiln.runs import execution, selection
from kiln.runs.beating_playbooks import BeatingPlaybooks
from kiln.settings.existing_cluster import ExistingCluster

if TYPE_CHECKING:
    from kiln.aws.effects import Cluster, Step
    from kiln.ledger.locks import Lock
    from kiln.ledger.schema import Run
    from kiln.runs.result import Result

STATE = "s3://state/kiln"
ENDING = Waiting(timeout_seconds=300, interval_seconds=5)
WHOLE = Work(("launch", "provision", "deploy", "sd", "cdd", "terminate"), whole=True, begins_anew=True)


def identity_of(run_id: str) -> Identity:
    return Identity(environment="local", pipeline="model_building", run_id=run_id, owner="ops")


class Drivers:
    """The account, and the commands in it. A command that is killed simply never goes on."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.aws = FakeAws(self.clock)
        self.reported: list[str] = []
        self.existing = ExistingCluster()
        self.limits = LIMITS
        # The steps whose YARN applications were killed, as `CLUSTER RUN/STEP`.
        self.killed: list[str] = []

    def context(self) -> Context:
        chance = random.Random(1)  # noqa: S311  # jitter
        return Context(aws=self.aws, clock=self.clock, random=chance, report=self.reported.append)

    def arrival(self, run_id: str, work: Work = WHOLE, most: int | None = 1) -> Arrival:
        return Arrival(
            context=self.context(),
            identity=identity_of(run_id),
            state_uri=STATE,
            work=work,
            limits=ENDING,
            most=most,
            kill=self.kill,
        )

    def kill(self, _context: Context, cluster: Cluster, step: Step) -> str:
        self.killed.append(f"{cluster.id} {step.run}/{step.name}")
        return "was killed in YARN"

    def enter(self, run_id: str, work: Work = WHOLE, most: int | None = 1) -> AtWork:
        return self.arrival(run_id, work, most).enter()

    def execution(self, at_work: AtWork, run_id: str, actions: str | None = None) -> execution.Execution:
        identity = identity_of(run_id)
        playbooks = FakePlaybooks(at_work.context, identity, at_work.ledger, shape())
        return execution.Execution(
            context=at_work.context,
            identity=identity,
            limits=self.limits,
            selection=selection.make(selection.actions(actions), STEPS),
            ledger=at_work.ledger,
            playbooks=BeatingPlaybooks(playbooks, at_work.presence.beat_if_due),
            reporter=Silence(),
            arguments=[],
            explain=lambda *_: None,
            existing=self.existing,
            kill=self.kill,
        )

    def run(self, run_id: str, actions: str | None = None, most: int = 1) -> Result:
        """Do what `kiln run` does: enter, execute, leave. Raises what entering raises."""
        chosen = selection.make(selection.actions(actions), STEPS)
        work = Work(chosen.names, whole=chosen.ends, begins_anew=chosen.launches)
        at_work = self.enter(run_id, work, most if chosen.launches else None)
        try:
            return self.execution(at_work, run_id, actions).run()
        finally:
            at_work.leave()

    def ledger(self, run_id: str) -> Ledger:
        return Ledger(self.context().effects, self.clock, STATE, identity_of(run_id))

    def remembered(self, run_id: str) -> Run:
        run = self.ledger(run_id).read()
        assert run is not None
        return run

    def lock(self) -> Lock:
        return LockStore(self.context().effects, self.clock, STATE, identity_of("any")).read()[0]

    def holders(self) -> list[str]:
        return [one.run_id for one in self.lock().holders]

    def during(self, call: str, work: Any) -> None:
        """Do something in the middle of the next call of this name."""
        done: list[str] = []

        def before(_: int) -> None:
            if self.aws.calls[-1] == call and not done:
                done.append(call)
                work()

        self.aws.before_call = before
