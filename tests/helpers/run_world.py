"""A run and everything around it, on a virtual clock and an AWS in memory."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING, Any

from fakes import FakeAws, FakePlaybooks, Silence, VirtualClock, shape

from kiln.aws.context import Context
from kiln.diagnosis.cause import Cause
from kiln.identity import Identity
from kiln.ledger.store import Ledger
from kiln.runs import execution, selection
from kiln.runs.attempts import Policy
from kiln.runs.limits import Limits
from kiln.runs.step_parts import EVERYTHING
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.effects import Step
    from kiln.runs.result import Result

STEPS = (
    StepSettings(name="sd", jar="command-runner.jar", args=("true",), outputs=("s3://data/models/sd/",)),
    StepSettings(name="cdd", jar="command-runner.jar", args=("true",), outputs=("s3://data/models/cdd/",)),
)
LIMITS = Limits(terminate_seconds=300, interval_seconds=5, run_seconds=3600, step_seconds=600)


def cause_of(step: Step) -> Cause:
    """Return a cause as logs may have it."""
    headline = f"ValueError in {step.name}"
    return Cause(kind="python_exception", headline=headline, lines=(f"Traceback of {step.name}", headline))


class World:
    """A run and everything around it, on a clock of its own."""

    def __init__(
        self,
        actions: str | None = None,
        limits: Limits = LIMITS,
        run_id: str = "r1",
        steps: Sequence[StepSettings] = STEPS,
        *,
        aws: FakeAws | None = None,
        seed: int = 1,
    ) -> None:
        self.aws = aws or FakeAws(VirtualClock())
        self.clock = self.aws.clock
        self.limits = limits
        chance = random.Random(seed)  # noqa: S311  # jitter
        self.context = Context(aws=self.aws, clock=self.clock, random=chance)
        self.identity = Identity(environment="local", pipeline="model_building", run_id=run_id, owner="ops")
        self.ledger = Ledger(self.context.effects, self.clock, "s3://state/kiln", self.identity)
        self.shape = shape()
        self.playbooks = FakePlaybooks(self.context, self.identity, self.ledger, self.shape)
        self.actions = actions
        self.steps = steps
        self.data_date: str | None = None
        self.attempts = Policy()
        self.part = EVERYTHING
        self.resumes = False
        self.existing = ExistingCluster()
        self.reporter = Silence()

    def run(self, actions: str | None = None) -> Result:
        wanted = selection.actions(actions or self.actions)
        return execution.Execution(
            context=self.context,
            identity=self.identity,
            limits=self.limits,
            selection=selection.make(wanted, self.steps, self.part),
            ledger=self.ledger,
            playbooks=self.playbooks,
            reporter=self.reporter,
            arguments=[],
            explain=lambda _context, _cluster, step: cause_of(step),
            data_date=self.data_date,
            attempts=self.attempts,
            resumes=self.resumes,
            shape=self.shape,
            existing=self.existing,
        ).run()

    def signal_at(self, call: int, number: int = signal.SIGINT) -> None:
        self.aws.before_call = lambda at: self.context.stop.request(number) if at == call else None

    def remembered(self) -> Any:
        return self.ledger.read()


def calls_of_a_whole_run() -> int:
    """How many calls to AWS a run without any fault makes."""
    world = World()
    world.run()
    return len(world.aws.calls)
