"""A run on hollow clusters of a running box: the real calls by boto3, no Ansible, and the box's clock."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fakes import FakePlaybooks, Silence, shape

from kiln.aws.boto import Boto
from kiln.aws.context import Context
from kiln.identity import Identity, name_of
from kiln.ledger.store import Ledger
from kiln.runs import execution, selection
from kiln.runs.limits import Limits
from kiln.runs.step_graph import StepGraph
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from emrbox.pytest_plugin import Account, Box
    from kiln.runs.result import Result

LIMITS = Limits(terminate_seconds=600, interval_seconds=30, run_seconds=20_000, step_seconds=7200)
STEPS = (
    StepSettings(name="sd", jar="command-runner.jar", args=("true",)),
    StepSettings(name="cdd", jar="command-runner.jar", args=("true",), optional=True),
)
PROFILE, BUCKET = "box", "state"
_numbers = itertools.count(1)


class DriverKilled(BaseException):
    """The driver ends here, as by SIGKILL."""


class BoxClock:
    """The clock of the box's hollow clusters: it moves when somebody waits. `plans` are done on the way."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._start = datetime.fromisoformat(box.get("clock")["now"])
        self._passed = 0.0
        self.plans: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def wait(self, seconds: float, wake: Any) -> None:
        if wake.is_set():
            return
        end = self._passed + max(seconds, 0.001)
        for at, plan in sorted(self.plans, key=lambda one: one[0]):
            if at <= end:
                self.plans.remove((at, plan))
                self.advance(max(0.0, at - self._passed))
                plan()
        self.advance(max(0.0, end - self._passed))

    def after(self, seconds: float, plan: Callable[[], object]) -> None:
        """Do something in this many seconds."""
        self.plans.append((self._passed + seconds, plan))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._box.advance(seconds)
        self._passed += seconds


class BoxWorld:
    """One run of a pipeline in an account of a box, and what an administrator does meanwhile."""

    def __init__(self, place: Place) -> None:
        self.account = account = place.account
        self.clock = BoxClock(account.box)
        self.emr = place.emr
        self.identity = Identity(
            environment="local", pipeline="model_building", run_id=f"r{next(_numbers)}", owner="ops"
        )
        chance = random.Random(1)  # noqa: S311  # jitter
        self.context = Context(aws=place.aws, clock=self.clock, random=chance)
        self.ledger = Ledger(self.context.effects, self.clock, f"s3://{BUCKET}/kiln", self.identity)
        self.playbooks = FakePlaybooks(self.context, self.identity, self.ledger, shape())
        self.shape()

    def shape(self, **changes: Any) -> None:
        """Launch clusters of another shape."""
        roles = {"service_role": "EMR_DefaultRole", "instance_profile": "EMR_EC2_DefaultRole"}
        self.playbooks.shape = shape(**roles | changes)

    def fault(self, kind: str, *, operation: str = "*", **parameters: Any) -> None:
        """Switch a fault of the box on: for the run's clusters, or for all calls of an operation."""
        scope = {"cluster": name_of(self.identity)} if operation == "*" else {"operation": operation}
        self.account.box.post("faults", add={"kind": kind, "parameters": parameters, **scope})

    def run(self, actions: str | None = None, steps: Sequence[StepSettings] = STEPS) -> Result:
        return execution.Execution(
            context=self.context,
            identity=self.identity,
            limits=LIMITS,
            selection=selection.make(selection.actions(actions), steps),
            ledger=self.ledger,
            playbooks=self.playbooks,
            reporter=Silence(),
            arguments=[],
            explain=lambda *_: None,
        ).run()

    def kill_driver(self) -> None:
        raise DriverKilled

    @property
    def cluster_id(self) -> str:
        """Return the id of the run's only cluster."""
        found = self.emr.list_clusters()["Clusters"]
        (own,) = [one for one in found if one["Name"] == name_of(self.identity)]
        return str(own["Id"])

    def terminate_as_administrator(self) -> None:
        self.emr.terminate_job_flows(JobFlowIds=[self.cluster_id])

    def cancel_as_administrator(self) -> None:
        found = self.emr.list_steps(ClusterId=self.cluster_id)["Steps"]
        self.emr.cancel_steps(ClusterId=self.cluster_id, StepIds=[one["Id"] for one in found])

    def add_as_administrator(self, name: str, action: str, *script: str) -> None:
        """Add a step that is not of the run."""
        jar = {"Jar": "command-runner.jar", "Args": ["emrbox-script", *script]}
        step = {"Name": name, "ActionOnFailure": action, "HadoopJarStep": jar}
        self.emr.add_job_flow_steps(JobFlowId=self.cluster_id, Steps=[step])

    def step_by_playbook(self, step: StepSettings) -> None:
        """Run a step as the module of the playbook does: the ledger gets the step and no verdict."""
        graph = StepGraph(context=self.context, ledger=self.ledger, limits=LIMITS, needs={}, cancels=False)
        graph.run(self.context.effects.describe_cluster(self.cluster_id), [step])


@dataclass(frozen=True)
class Place:
    """An account of a box, with its administrator's EMR, and the calls as Kiln makes them."""

    account: Account
    emr: Any
    aws: Boto


def make_place(box: Box, config_file: Path) -> Place:
    """Open an account with roles and a bucket, and write its keys into an AWS config file."""
    account = box.open_account()
    account.create_default_roles()
    account.client("s3").create_bucket(Bucket=BUCKET)
    lines = {
        "aws_access_key_id": account.access_key_id,
        "aws_secret_access_key": account.secret_access_key,
        "endpoint_url": account.endpoint,
        "region": account.region,
    }
    text = "".join(f"{key} = {lines[key]}\n" for key in lines)
    config_file.write_text(f"[profile {PROFILE}]\n{text}")
    aws = Boto(region=account.region, profile=PROFILE, config_file=config_file)
    return Place(account, account.client("emr"), aws)
