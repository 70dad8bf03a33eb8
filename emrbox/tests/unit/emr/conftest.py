"""A clock that tests move, machines that tests script, and EMR on top of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from scripted_uis import ScriptedPages, scripted_uis

from emrbox.aws.auth import Caller
from emrbox.emr import ids
from emrbox.emr.api.service import EmrService
from emrbox.emr.life import states
from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.decisions import newest_first
from emrbox.emr.life.drivers import ClockDriver
from emrbox.emr.life.engine import Engine
from emrbox.emr.life.events import event_of
from emrbox.emr.life.layer import Pace, StepOutcome
from emrbox.emr.life.model import FailureDetails, Instance, Place, Status
from emrbox.emr.life.session_access import SessionAccess
from emrbox.emr.life.states import InstanceState
from emrbox.emr.life.store import Store
from emrbox.emr.machines.real_nodes import PACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.emr.life.load import Load
    from emrbox.emr.life.procedures import Job

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
MOST_SECONDS = 200


@dataclass
class ScriptedRun:
    """A step that ends by `end`, or when it is cancelled."""

    report: Callable[[StepOutcome], None]
    ignores_interrupt: bool = False

    def end(self, code: int) -> None:
        failure = FailureDetails("Unknown Error.", None, None) if code else None
        self.report(StepOutcome(code, failure))

    def interrupt(self) -> None:
        if not self.ignores_interrupt:
            self.end(143)

    def kill(self) -> None:
        self.end(137)


@dataclass
class ScriptedSession:
    """A session's server that ends when it is asked to, or by `report`."""

    report: Callable[[str], None]
    server: tuple[str, int] | None = ("10.0.0.0", 15002)
    secret: str = "of the server"  # a test's

    def stop(self) -> None:
        self.report("stopped")


@dataclass
class ScriptedMachines:
    """Machines of one cluster. Nodes boot, and are decommissioned, only while it is open."""

    cluster: Any
    clock: MovableClock
    is_open: bool = True
    failure: Exception | None = None
    runs: dict[str, ScriptedRun] = field(default_factory=dict)
    servers: dict[str, ScriptedSession] = field(default_factory=dict)
    session_failure: Exception | None = None
    lost: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    sick_by_yarn: set[str] = field(default_factory=set)
    is_busy: bool = False
    yarn: Load | None = None
    no_capacity: Exception | None = None
    unfit: int = 0  # how many of the nodes that are added later fail their bootstrap action
    decommissioned: list[str] = field(default_factory=list)
    waited_for: dict[str, int] = field(default_factory=dict)  # seconds at most, by EC2 id
    ended: list[str] = field(default_factory=list)
    protected: bool | None = None
    is_shut_down: bool = False
    configured: list[Any] = field(default_factory=list)
    refused_configurations: list[Exception] = field(default_factory=list)  # one for each try
    tags: list[Any] = field(default_factory=list)
    held: list[Job[Any]] = field(default_factory=list)
    pace: Pace = PACE

    def start_job(self, job: Job[Any]) -> None:
        if not self.is_open and job.name.startswith(("boot", "late boot", "decommission", "reconfigure")):
            self.held.append(job)
        else:
            job.run()

    def run_held_jobs(self) -> None:
        """Run them when they may go on; each finds out itself that its cluster is ending."""
        if self.is_open or self.cluster.status.state not in states.CLUSTER_LIVE:
            while self.held:
                self.held.pop().run()
                self.cluster.wake()

    def places(self) -> list[Place]:
        return [Place("us-east-1a")]

    def room(self, *_: Any) -> float:
        return float("inf")

    def launch(self, group: Any, purchase: Any) -> list[Instance]:
        if self.no_capacity:
            raise self.no_capacity
        first = len(group.instances)
        return [
            Instance(
                ids.instance_id(),
                f"i-{group.role.lower()}{number}",
                f"10.0.0.{number}",
                f"ip-10-0-0-{number}.ec2.internal",
                purchase.type,
                purchase.market,
                Status(InstanceState.PROVISIONING, self.clock.now()),
                fills=purchase.fills,
            )
            for number in range(first, first + purchase.count)
        ]

    def boot_more(self, _group: Any, _instances: Any, check: Callable[[], None]) -> None:
        check()

    def join(self, _group: Any, instances: Any, check: Callable[[], None]) -> list[Instance]:
        check()
        failing = [i for i in instances if self.unfit > 0]
        self.unfit -= len(failing)
        return failing

    def reconfigure(self, group: Any) -> None:
        self.configured.append([i.type.configurations for i in group.present])
        if self.refused_configurations:
            raise self.refused_configurations.pop()

    def order_to_leave(self, group: Any) -> list[Instance]:
        return newest_first(group)

    def decommission(self, group: Any, instances: Any, check: Callable[[], None]) -> None:
        check()
        self.waited_for |= {i.ec2_id: group.seconds_to_leave(i) for i in instances}
        self.decommissioned += [i.ec2_id for i in instances]

    def end(self, instances: Any) -> None:
        self.ended += [i.ec2_id for i in instances]

    def protect(self, *, protected: bool) -> None:
        self.protected = protected

    def boot(self, check: Callable[[], None]) -> None:
        check()
        if self.failure:
            raise self.failure

    def bootstrap(self, check: Callable[[], None]) -> None:
        check()

    def provision(self, check: Callable[[], None]) -> None:
        check()

    def start_step(self, step: Any, report: Callable[[StepOutcome], None]) -> ScriptedRun:
        self.runs[step.id] = ScriptedRun(report)
        return self.runs[step.id]

    def start_session(self, session: Any, report: Callable[[str], None]) -> ScriptedSession:
        if self.session_failure:
            raise self.session_failure
        self.servers[session.id] = ScriptedSession(report)
        return self.servers[session.id]

    def lost_instances(self) -> set[str]:
        return self.lost

    def unhealthy(self) -> set[str]:
        return self.sick

    def examine(self) -> None:
        self.sick = set(self.sick_by_yarn)

    def busy(self) -> bool:
        return self.is_busy

    def load(self) -> Load | None:
        return self.yarn

    def refusal_of_scaling_role(self, role: str) -> str | None:
        return None if role.startswith("EMR") else "Unable to assume IAM role"

    def tag_instances(self, set_tags: dict[str, str], remove_keys: list[str]) -> None:
        self.tags.append((set_tags, remove_keys))

    def push_logs(self) -> None:
        pass

    def may_shut_down(self) -> bool:
        return True

    def shut_down(self) -> None:
        self.is_shut_down = True


def run_request(**changes: Any) -> dict[str, Any]:
    """A RunJobFlow request with one master and two core nodes, kept alive."""
    instances: dict[str, Any] = {
        "InstanceGroups": [
            {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2},
        ],
        "KeepJobFlowAliveWhenNoSteps": True,
        **changes.pop("Instances", {}),
    }
    return {
        "Name": "test",
        "ReleaseLabel": "emr-spark-8.0.0",
        "ServiceRole": "EMR_DefaultRole_V2",
        "JobFlowRole": "EMR_EC2_DefaultRole",
        "Instances": instances,
        **changes,
    }


def step_request(name: str = "work", action: str = "CONTINUE") -> dict[str, Any]:
    return {
        "Name": name,
        "ActionOnFailure": action,
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true"]},
    }


class Emr:
    """EMR as a test uses it."""

    def __init__(self) -> None:
        self.clock = MovableClock(START)
        self.clock.freeze()
        self.machines: dict[str, ScriptedMachines] = {}
        self.pages = ScriptedPages()
        self.uis = scripted_uis(self.pages, self.clock)
        self.starts_at_once = True
        self.start_failure: Exception | None = None
        self.events: list[dict[str, Any]] = []
        self.store = Store(self.clock, self._driver_of, self._role_of_profile, watcher=self._watch)
        self.access = SessionAccess(self.store, 4566)
        self.service = EmrService(self.store, uis=self.uis, access=self.access)
        self.policy: dict[str, Any] = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        self.run_request = run_request
        self.step_request = step_request

    def _driver_of(self, cluster: Any) -> ClockDriver:
        machines = ScriptedMachines(
            cluster, self.clock, is_open=self.starts_at_once, failure=self.start_failure
        )
        self.machines[cluster.id] = machines
        return ClockDriver(cluster, Engine(cluster, machines, machines.start_job), self.clock)

    def _watch(self, cluster: Any, subject: Any, before: Any, now: datetime) -> None:
        if (event := event_of(cluster, subject, before, now)) is not None:
            self.events.append(event)

    def _role_of_profile(self, name: str) -> str:
        if name.startswith("no-"):
            raise KeyError(name)
        return name

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        self.settle()
        answer = self.service.call(operation, request, self.caller())
        self.settle()
        return answer

    def caller(self) -> Caller:
        return Caller("arn:aws:iam::123456789012:user/tester", lambda: [self.policy])

    def settle(self) -> None:
        """Let happen what happens at once."""
        for machines in self.machines.values():
            machines.run_held_jobs()
        self.clock.advance(0)

    def launch(self, **changes: Any) -> str:
        return str(self.call("RunJobFlow", **run_request(**changes))["JobFlowId"])

    def add(self, cluster_id: str, *steps: dict[str, Any]) -> list[str]:
        return list(self.call("AddJobFlowSteps", JobFlowId=cluster_id, Steps=list(steps))["StepIds"])

    def cluster(self, cluster_id: str) -> dict[str, Any]:
        return dict(self.call("DescribeCluster", ClusterId=cluster_id)["Cluster"])

    def step_state(self, cluster_id: str, step_id: str) -> str:
        step = self.call("DescribeStep", ClusterId=cluster_id, StepId=step_id)["Step"]
        return str(step["Status"]["State"])

    def until(self, cluster_id: str, *states: str) -> dict[str, Any]:
        """Wait until the cluster is in one of the states."""
        return dict(self.wait_for(lambda: self.cluster(cluster_id), lambda c: c["Status"]["State"] in states))

    def until_step(self, cluster_id: str, step_id: str, *states: str) -> str:
        return str(self.wait_for(lambda: self.step_state(cluster_id, step_id), lambda s: s in states))

    def run_of(self, cluster_id: str, step_id: str) -> ScriptedRun:
        runs = self.machines[cluster_id].runs
        self.wait_for(lambda: step_id in runs, bool)
        return runs[step_id]

    def wait_for(self, read: Callable[[], Any], is_expected: Callable[[Any], bool]) -> Any:
        """Move the clock on, second by second, until what is read is as expected."""
        for _ in range(MOST_SECONDS):
            self.settle()
            if is_expected(value := read()):
                return value
            self.clock.advance(1)
        raise AssertionError(f"still {value}")


@pytest.fixture
def emr() -> Emr:
    return Emr()
