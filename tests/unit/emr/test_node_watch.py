"""Nodes that are lost or replaced while a step runs: reported at once, and judged when they end the work."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from fakes import START, FakeCluster, VirtualClock, shape
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st
from run_world import World

from kiln.aws import effects
from kiln.emr import node_watch
from kiln.emr.node_watch import NodesLostError, NodeWatch
from kiln.emr.request import launch_request
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass
from kiln.ledger.schema import Phase, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes import FakeAws

    from kiln.aws.context import Context
    from kiln.identity import Identity

CLUSTER = "j-0001"
MASTER, CORE, OTHER_CORE, TASK, NEW = (f"i-{number:017x}" for number in range(5))
SPOT = "Server.SpotInstanceTermination"


def add(aws: FakeAws, instance_id: str, group: str, launched_seconds: float = -600) -> None:
    aws.instances[instance_id] = effects.Ec2Instance(
        id=instance_id,
        state="running",
        launched_at=START + timedelta(seconds=launched_seconds),
        private_ip_address="10.0.0.4",
        tags={
            "aws:elasticmapreduce:job-flow-id": CLUSTER,
            "aws:elasticmapreduce:instance-group-role": group,
        },
    )


def lose(aws: FakeAws, *instance_ids: str, reason: str = "Server.InternalError") -> None:
    for one in instance_ids:
        aws.instances[one] = msgspec.structs.replace(
            aws.instances[one], state="terminated", reason_code=reason
        )


@pytest.fixture
def look(context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity) -> Callable[..., None]:
    """A cluster with its four nodes, seen once; then each call looks again, an interval later."""
    aws.clusters[CLUSTER] = FakeCluster(CLUSTER, launch_request(identity, shape(), START), -600)
    for instance_id, group in ((MASTER, "MASTER"), (CORE, "CORE"), (OTHER_CORE, "CORE"), (TASK, "TASK")):
        add(aws, instance_id, group)
    watch = NodeWatch(CLUSTER, 15)
    watch.look(context, step_has_to_begin=True)

    def again(*, begins: bool = False) -> None:
        clock.seconds += 20
        watch.look(context, step_has_to_begin=begins)

    return again


def test_a_lost_core_node_is_reported_once_with_its_reason(
    look: Callable[..., None], aws: FakeAws, reported: list[str]
) -> None:
    lose(aws, CORE, reason=SPOT)
    look()
    look(begins=True)
    assert reported == [f"core node {CORE} of cluster {CLUSTER} was lost ({SPOT})"]


def test_a_lost_task_node_is_reported_only(
    look: Callable[..., None], aws: FakeAws, reported: list[str]
) -> None:
    lose(aws, TASK)
    look(begins=True)
    assert len(reported) == 1


@pytest.mark.parametrize(
    ("reason", "failure_class"), [(SPOT, FailureClass.SPOT_LOSS), ("Server.X", FailureClass.NO_CORE)]
)
def test_without_a_core_node_the_step_fails_at_once(
    look: Callable[..., None], aws: FakeAws, reason: str, failure_class: FailureClass
) -> None:
    lose(aws, CORE, OTHER_CORE, reason=reason)
    with pytest.raises(NodesLostError, match="no core node is left") as error:
        look()
    assert error.value.failure_class is failure_class
    assert error.value.exit_code == ExitCode.CAPACITY


def test_without_its_master_the_step_fails_at_once(look: Callable[..., None], aws: FakeAws) -> None:
    lose(aws, MASTER)
    with pytest.raises(NodesLostError, match="the master node was lost") as error:
        look()
    assert error.value.failure_class is FailureClass.NO_MASTER


@pytest.mark.parametrize(("first", "then"), [((CORE,), (OTHER_CORE,)), ((TASK,), (MASTER,))])
def test_one_spot_node_that_was_taken_back_makes_it_a_spot_loss_as_in_the_table_of_verdicts(
    look: Callable[..., None], aws: FakeAws, first: tuple[str, ...], then: tuple[str, ...]
) -> None:
    lose(aws, *first, reason=SPOT)
    look()
    lose(aws, *then, reason="Server.X")
    with pytest.raises(NodesLostError) as error:
        look()
    assert error.value.failure_class is FailureClass.SPOT_LOSS


def test_a_bare_replacement_fails_the_next_step_and_not_the_running_one(
    look: Callable[..., None], aws: FakeAws, clock: VirtualClock, reported: list[str]
) -> None:
    lose(aws, CORE)
    add(aws, NEW, "CORE", clock.seconds)
    look()
    assert reported[-1] == f"core node {NEW} joined cluster {CLUSTER} and is not provisioned"
    with pytest.raises(NodesLostError, match="not provisioned"):
        look(begins=True)


def test_nodes_that_end_with_their_cluster_are_not_the_cause(
    look: Callable[..., None], aws: FakeAws, clock: VirtualClock, reported: list[str]
) -> None:
    aws.clusters[CLUSTER].ended_at = clock.seconds
    lose(aws, MASTER, CORE, OTHER_CORE, TASK)
    look()
    assert (
        reported[-1] == f"cluster {CLUSTER} was terminated by user request while a step runs; "
        "CloudTrail shows who asked for it"
    )


def test_an_answer_that_leaves_a_node_out_once_is_no_loss(
    look: Callable[..., None], aws: FakeAws, reported: list[str]
) -> None:
    one = aws.instances.pop(CORE)
    look()
    aws.instances[CORE] = one
    look()
    assert reported == []
    del aws.instances[CORE]
    look()
    look()
    assert len(reported) == 1


@pytest.mark.parametrize("kind", ["throttled", "lost_before", "refused"])
def test_what_ec2_does_not_say_fails_nothing(look: Callable[..., None], aws: FakeAws, kind: str) -> None:
    aws.every_call = kind
    lose(aws, CORE, OTHER_CORE)
    look(begins=True)
    look(begins=True)


def test_nodes_that_ec2_does_not_know_are_asked_of_emr(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity
) -> None:
    aws.clusters[CLUSTER] = FakeCluster(CLUSTER, launch_request(identity, shape(), START), -600)
    node = effects.Instance(
        id="ci-1", ec2_instance_id=CORE, private_ip_address="", group="CORE", state="RUNNING"
    )
    master = msgspec.structs.replace(node, ec2_instance_id=MASTER, group="MASTER")
    aws.nodes[CLUSTER] = [master, node]
    watch = NodeWatch(CLUSTER, 15)
    watch.look(context, step_has_to_begin=True)
    aws.nodes[CLUSTER] = [master]
    clock.seconds += 100
    watch.look(context, step_has_to_begin=True)
    clock.seconds += 100
    with pytest.raises(NodesLostError, match="no core node is left"):
        watch.look(context, step_has_to_begin=False)
    assert aws.calls.count("DescribeInstances") == 1


def test_a_node_that_was_launched_after_the_deploy_is_bare_for_another_command(
    context: Context, aws: FakeAws, clock: VirtualClock, identity: Identity
) -> None:
    aws.clusters[CLUSTER] = FakeCluster(CLUSTER, launch_request(identity, shape(), START), -600)
    for instance_id, group in ((MASTER, "MASTER"), (CORE, "CORE"), (OTHER_CORE, "CORE")):
        add(aws, instance_id, group)
    lose(aws, CORE)
    add(aws, NEW, "CORE", 50)
    clock.seconds = 100
    run = Run(environment="local", pipeline="p", run_id="r", created_at="")
    run.phases.append(Phase(name="deploy", status="ok", seconds=1, ended_at="2026-11-21T07:30:10Z"))
    with pytest.raises(NodesLostError, match="not provisioned"):
        node_watch.of_run(CLUSTER, 15, run).look(context, step_has_to_begin=True)


def test_a_run_whose_core_nodes_are_lost_ends_at_once_and_its_cluster_too() -> None:
    world = World("sd,terminate")
    world.run("launch")
    for number, group in enumerate(("MASTER", "CORE", "CORE")):
        add(world.aws, f"i-{number:017x}", group)
    world.aws.step_seconds = 500
    lost_at = world.clock.seconds + 60
    world.aws.before_call = lambda _: (
        lose(world.aws, CORE, OTHER_CORE) if world.clock.seconds > lost_at else None
    )
    result = world.run()
    assert result.exit_code == ExitCode.CAPACITY
    assert "no core node is left" in result.message
    assert world.clock.seconds < lost_at + 120
    assert world.aws.live() == []


@pytest.mark.usefixtures("look")
def test_the_end_of_a_cluster_by_somebody_else_is_reported_once(
    context: Context, aws: FakeAws, reported: list[str]
) -> None:
    aws.clusters[CLUSTER].ended_at = aws.clock.seconds
    watch = NodeWatch(CLUSTER, 15)
    for _ in range(2):
        watch.saw(context, aws.describe_cluster(CLUSTER))
    assert len(reported) == 1


groups = st.sampled_from(["MASTER", "CORE", "TASK"]) | texts("CORE")
states = st.sampled_from(["running", "terminated", "stopped", "pending"]) | texts("running")


@many
@given(found=st.lists(st.tuples(st.sampled_from([MASTER, CORE, NEW]), groups, states, texts())))
def test_no_answer_of_ec2_is_a_fault(found: list[tuple[str, str, str, str]]) -> None:
    world = World()
    world.aws.clusters[CLUSTER] = FakeCluster(CLUSTER, launch_request(world.identity, shape(), START), -600)
    watch = NodeWatch(CLUSTER, 15)
    for instance_id, group, state, reason in found:
        add(world.aws, instance_id, group)
        one = world.aws.instances[instance_id]
        world.aws.instances[instance_id] = msgspec.structs.replace(one, state=state, reason_code=reason)
        world.clock.seconds += 20
        with suppress(NodesLostError):
            watch.look(world.context, step_has_to_begin=True)


@many
@given(ended_at=texts("2026-11-21T07:30:10Z"))
def test_no_time_in_a_ledger_is_a_fault(ended_at: str) -> None:
    run = Run(environment="local", pipeline="p", run_id="r", created_at="")
    run.phases.append(Phase(name="deploy", status="ok", seconds=1, ended_at=ended_at))
    assert node_watch.of_run(CLUSTER, 15, run)
