"""Evidence is collected with few calls, and a failure is reported also when AWS gives none."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes import START
from run_world import World

from kiln.aws.effects import Ec2Instance, Instance, LostInstance, Step
from kiln.emr import launch, step_endings
from kiln.emr.waiting import Waiting
from kiln.errors import InterruptedRunError, KilnError, LaunchError, PlaybookError, StepFailedError
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from kiln.runs.result import Result

CLUSTER = "j-0001"
BEGUN = START + timedelta(seconds=100)
FAILED = Step(id="s-1", name="sd", state="FAILED", created_at=BEGUN, started_at=BEGUN)
ASKED = ["DescribeCluster", "ListInstanceGroups", "ListInstances"]


def node(group: str) -> Instance:
    return Instance(
        id=f"ci-{group}", ec2_instance_id="i-0123456789", private_ip_address="", group=group, state="RUNNING"
    )


def lost(seconds: float, market: str = "ON_DEMAND") -> LostInstance:
    """Return a core node that was lost so long after the step had begun."""
    return LostInstance(
        id="ci-1",
        ec2_instance_id="i-0123456789",
        group_id="ig-CORE",
        market=market,
        ended_at=BEGUN + timedelta(seconds=seconds),
    )


@pytest.fixture
def world() -> World:
    """Return a run whose cluster is up."""
    made = World()
    made.run("launch")
    made.aws.calls.clear()
    return made


def error_of(world: World, step: Step = FAILED) -> KilnError:
    with pytest.raises(KilnError) as caught:
        step_endings.judge(world.context, CLUSTER, step)
    return caught.value


def test_nothing_is_asked_about_a_complete_step(world: World) -> None:
    step_endings.judge(world.context, CLUSTER, Step(id="s-1", name="sd", state="COMPLETED", created_at=BEGUN))
    assert world.aws.calls == []


def test_a_failed_step_costs_three_calls(world: World) -> None:
    error = error_of(world)
    assert (error.exit_code, error.failure_class) == (ExitCode.STEP_FAILED, FailureClass.USER_CODE)
    assert world.aws.calls == ASKED


@pytest.mark.parametrize(
    ("market", "reason", "expected"),
    [
        ("SPOT", "", FailureClass.SPOT_LOSS),
        ("", "Server.SpotInstanceTermination", FailureClass.SPOT_LOSS),
        ("ON_DEMAND", "Server.InternalError", FailureClass.NO_CORE),
    ],
)
def test_a_step_that_failed_after_a_loss_of_nodes_has_the_class_of_the_loss(
    world: World, market: str, reason: str, expected: FailureClass
) -> None:
    world.aws.lost[CLUSTER] = [lost(10, market)]
    tags = {"aws:elasticmapreduce:job-flow-id": CLUSTER}
    world.aws.instances["i-0123456789"] = Ec2Instance(
        id="i-0123456789",
        state="terminated",
        launched_at=START,
        private_ip_address="",
        tags=tags,
        reason_code=reason,
    )
    error = error_of(world)
    assert (error.exit_code, error.failure_class) == (ExitCode.CAPACITY, expected)
    assert world.aws.calls == ASKED + ["DescribeInstances"] * (market != "SPOT")


def test_a_step_that_ended_its_cluster_after_a_loss_of_nodes_has_the_class_of_the_loss(world: World) -> None:
    world.aws.clusters[CLUSTER].ended_at = world.clock.seconds
    world.aws.clusters[CLUSTER].ended_because = ("STEP_FAILURE", "Shut down as step failed")
    assert error_of(world).failure_class is FailureClass.USER_CODE
    world.aws.lost[CLUSTER] = [lost(10, "SPOT")]
    assert error_of(world).failure_class is FailureClass.SPOT_LOSS


def test_a_node_that_was_lost_before_the_step_began_is_not_its_cause(world: World) -> None:
    world.aws.lost[CLUSTER] = [lost(-10, "SPOT")]
    assert error_of(world).failure_class is FailureClass.USER_CODE


@pytest.mark.parametrize("kind", ["throttled", "lost_before", "refused"])
def test_a_failed_step_is_reported_also_when_aws_says_nothing_more(world: World, kind: str) -> None:
    world.aws.every_call = kind
    before = world.clock.seconds
    error = error_of(world)
    assert isinstance(error, StepFailedError)
    assert error.failure_class is FailureClass.USER_CODE
    assert world.clock.seconds - before <= 31


def test_a_signal_ends_the_collection_from_an_aws_that_throttles(world: World) -> None:
    world.aws.every_call = "throttled"
    world.aws.before_call = lambda _: world.context.stop.request(signal.SIGTERM)
    with pytest.raises(InterruptedRunError):
        step_endings.judge(world.context, CLUSTER, FAILED)


def test_a_running_step_without_any_core_node_cannot_end_well(world: World) -> None:
    running = Step(id="s-1", name="sd", state="RUNNING", created_at=BEGUN, started_at=BEGUN)
    step_endings.judge(world.context, CLUSTER, running)
    world.aws.nodes[CLUSTER] = [node("MASTER")]
    error = error_of(world, running)
    assert error.failure_class is FailureClass.NO_CORE
    assert "no core node" in error.message


def wait_until_up(world: World) -> Any:
    limits = Waiting(timeout_seconds=600, interval_seconds=5)
    return launch.wait_until_up(world.context, CLUSTER, limits)


def test_a_cluster_without_core_nodes_is_not_up(world: World) -> None:
    world.aws.nodes[CLUSTER] = [node("MASTER")]
    with pytest.raises(LaunchError, match="no core node") as caught:
        wait_until_up(world)
    assert (caught.value.exit_code, caught.value.failure_class) == (ExitCode.CAPACITY, FailureClass.NO_CORE)


def test_core_nodes_that_are_shown_later_than_their_cluster_are_waited_for(world: World) -> None:
    world.aws.nodes[CLUSTER] = [node("MASTER")]

    def show(_call: int) -> None:
        if world.clock.seconds > begun + 20:
            world.aws.nodes[CLUSTER] = [node("MASTER"), node("CORE")]

    begun = world.clock.seconds
    world.aws.before_call = show
    assert wait_until_up(world).state == "WAITING"


def provision(world: World) -> Result:
    world.playbooks.fail["provision"] = PlaybookError("provision: unreachable")
    return world.run("provision")


def test_a_playbook_on_a_cluster_without_core_nodes_has_the_class_of_the_loss(world: World) -> None:
    world.playbooks.during["provision"] = lambda: world.aws.nodes.update({CLUSTER: [node("MASTER")]})
    result = provision(world)
    assert (result.exit_code, result.failure_class) == (ExitCode.CAPACITY, "no_core")
    assert "provision: unreachable" in result.message


def test_a_playbook_that_failed_by_itself_keeps_its_class(world: World) -> None:
    result = provision(world)
    assert (result.exit_code, result.failure_class) == (ExitCode.PROVISION, "provision")
    assert world.remembered().failure_class == "provision"
