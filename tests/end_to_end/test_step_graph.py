"""Steps as a graph, and their cancellation, on a hollow cluster: the whole API of emrbox's EMR, no nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from fakes import shape

from kiln.aws.boto import Boto
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.emr import add_steps, launch
from kiln.emr.waiting import Waiting
from kiln.errors import AwsError, StepCancelledError, UsageError, caught
from kiln.identity import Identity
from kiln.ledger.store import Ledger
from kiln.runs.cancellation import Cancellation
from kiln.runs.limits import Limits
from kiln.runs.step_graph import StepGraph
from kiln.settings import step_needs
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.pytest_plugin import Account
    from kiln.aws.effects import Cluster, Step

LOAD = StepSettings(name="load", jar="command-runner.jar", args=("true",))
LEFT, RIGHT = (
    StepSettings(name=name, jar="command-runner.jar", args=("true",), needs=("load",))
    for name in ("left", "right")
)
JOIN = StepSettings(name="join", jar="command-runner.jar", args=("true",), needs=("left", "right"))
DIAMOND = (LOAD, LEFT, RIGHT, JOIN)


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> None:
    """These clusters end with their account."""


class Hollow:
    """A cluster without nodes that runs two steps side by side, and the run that it is of."""

    def __init__(self, account: Account) -> None:
        account.create_default_roles()
        bucket = f"kiln-{account.account_id}"
        account.client("s3").create_bucket(Bucket=bucket)
        aws = Boto(region=account.region, profile="", config_file=None)
        self.context = Context(aws=aws, clock=SystemClock())
        identity = Identity(environment="local", pipeline="graph", run_id=f"r-{uuid4().hex[:8]}", owner="ops")
        self.ledger = Ledger(self.context.effects, self.context.clock, f"s3://{bucket}/kiln", identity)
        wanted = shape(
            log_uri=f"s3://{bucket}/logs/",
            key_pair=account.client("ec2").create_key_pair(KeyName="ops")["KeyName"],
            service_role="EMR_DefaultRole",
            instance_profile="EMR_EC2_DefaultRole",
            step_concurrency_level=2,
        )
        found, _ = launch.launch(self.context, identity, wanted, self.ledger)
        waiting = Waiting(timeout_seconds=120, interval_seconds=0.5)
        self.cluster: Cluster = launch.wait_until_up(self.context, found.id, waiting)

    def run(self, steps: Sequence[StepSettings]) -> dict[str, Step]:
        graph = StepGraph(
            context=self.context,
            ledger=self.ledger,
            limits=Limits(terminate_seconds=60, interval_seconds=0.3, step_seconds=300),
            needs=step_needs.of(DIAMOND),
            cancels=True,
        )
        return {one.settings.name: one.seen for one in graph.run(self.cluster, steps) if one.seen}


@pytest.fixture
def hollow(aws_account: Account) -> Hollow:
    aws_account.script_step("*", seconds=3)
    aws_account.script_step("endless", seconds=100_000)
    return Hollow(aws_account)


def test_steps_run_in_the_order_of_their_needs_and_side_by_side(hollow: Hollow) -> None:
    seen = hollow.run(DIAMOND)
    assert {name: one.state for name, one in seen.items()} == dict.fromkeys(
        ("load", "left", "right", "join"), "COMPLETED"
    )
    begun = {name: one.started_at for name, one in seen.items() if one.started_at}
    over = {name: one.ended_at for name, one in seen.items() if one.ended_at}
    assert max(begun["left"], begun["right"]) < min(over["left"], over["right"])
    assert begun["join"] >= max(over["left"], over["right"])
    assert [one.id for one in hollow.run(DIAMOND).values()] == [one.id for one in seen.values()]
    with pytest.raises(UsageError, match="with other arguments"):
        hollow.run([StepSettings(name="load", jar="command-runner.jar", args=("false",))])


def test_cancelling_a_run_ends_its_step_and_leaves_the_cluster(hollow: Hollow) -> None:
    endless = StepSettings(name="endless", jar="command-runner.jar", args=("true",))
    add_steps.add(hollow.context, hollow.cluster.id, endless, hollow.ledger)
    cancellation = Cancellation(context=hollow.context, ledger=hollow.ledger, kill=lambda *_: "")
    (one,) = cancellation.cancel([hollow.cluster.id], None)
    assert (one.state, one.problem) == ("CANCELLED", "")
    assert hollow.context.effects.describe_cluster(hollow.cluster.id).state in {"RUNNING", "WAITING"}
    with pytest.raises(StepCancelledError, match="nothing more is begun"):
        hollow.run(DIAMOND)


def test_emr_accepts_what_kiln_asks_for_and_refuses_what_settings_refuse(hollow: Hollow) -> None:
    endless = StepSettings(name="endless", jar="command-runner.jar", args=("true",))
    added, _ = add_steps.add(hollow.context, hollow.cluster.id, endless, hollow.ledger)
    hollow.context.effects.cancel_steps(hollow.cluster.id, [added.id], force=True)
    strict = StepSettings(name="strict", jar="command-runner.jar", action_on_failure="CANCEL_AND_WAIT")
    with pytest.raises(UsageError, match="EMR refuses it"):
        step_needs.check([strict], "here", concurrency=hollow.cluster.step_concurrency_level)
    refusal = caught(lambda: add_steps.add(hollow.context, hollow.cluster.id, strict, hollow.ledger))
    assert refusal is not None
    assert isinstance(refusal.__cause__, AwsError)
