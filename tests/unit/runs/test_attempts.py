"""Further attempts of a run: when, with what, and what is never tried again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from run_world import LIMITS, World

from kiln.errors import PlaybookError
from kiln.exit_codes import ExitCode
from kiln.failure_classes import TABLE, FailureClass
from kiln.runs.attempts import Policy, node_hours
from kiln.settings.model import Alternative

if TYPE_CHECKING:
    from collections.abc import Callable

SPOT_LATER = Alternative(core_market="ON_DEMAND", core_instance_type="m6g.xlarge")
OTHER_SUBNET = Alternative(subnet_id="subnet-2")
TWO = Policy(attempts=2, delay_seconds=60, nodes=3)


def failing(world: World, failure_class: FailureClass, times: int = 1) -> Callable[[], None]:
    """Return what lets a phase fail that often."""

    def fail() -> None:
        if world.playbooks.ran.count("provision") <= times:
            raise PlaybookError("gone", exit_code=ExitCode.CAPACITY, failure_class=failure_class)

    return fail


def world_with(policy: Policy, failure_class: FailureClass = FailureClass.SPOT_LOSS, times: int = 1) -> World:
    world = World()
    world.attempts = policy
    world.playbooks.during["provision"] = failing(world, failure_class, times)
    return world


def test_a_lost_cluster_is_ended_and_the_run_goes_on_with_a_new_one() -> None:
    world = world_with(TWO)
    result = world.run()
    assert (result.exit_code, result.verdict, result.phase) == (0, "succeeded", None)
    assert result.cluster_id == "j-0002"
    assert world.aws.live() == []
    assert [(one.cluster_id, one.failure_class) for one in result.attempts] == [("j-0001", "spot_loss")]
    kept = world.remembered()
    assert [(one.cluster_id, one.failure_class, one.nodes) for one in kept.attempts] == [
        ("j-0001", "spot_loss", 3),
        ("j-0002", "", 3),
    ]
    assert kept.attempts[0].ended_at <= kept.attempts[1].intent_at


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name.value)
def test_only_failures_that_a_new_cluster_may_help_are_tried_again(row: object) -> None:
    assert row in TABLE
    for one in TABLE:
        if one is row:
            world = world_with(TWO, one.name)
            world.run()
            assert len(world.aws.clusters) == (2 if one.new_cluster else 1)
            assert world.aws.live() == []


def test_there_are_no_more_attempts_than_the_pipeline_allows() -> None:
    world = world_with(msgspec.structs.replace(TWO, attempts=3), times=99)
    result = world.run()
    assert (result.exit_code, len(world.aws.clusters)) == (ExitCode.CAPACITY, 3)
    assert world.aws.live() == []


def test_attempts_take_the_alternatives_in_order_and_then_begin_anew() -> None:
    policy = msgspec.structs.replace(TWO, attempts=4, alternatives=(SPOT_LATER, OTHER_SUBNET))
    world = world_with(policy, times=99)
    world.run()
    ran = zip(world.playbooks.ran, world.playbooks.arguments, strict=True)
    launches = [given for name, given in ran if name == "launch"]
    assert [json.loads(given[-1]) if given else {} for given in launches] == [
        {},
        {"emr_cluster_core_market": "ON_DEMAND", "emr_cluster_core_instance_type": "m6g.xlarge"},
        {"emr_cluster_subnet_id": "subnet-2"},
        {},
    ]
    assert world.remembered().attempts[1].alternative["emr_cluster_core_market"] == "ON_DEMAND"


def test_no_attempt_begins_when_the_runs_time_would_be_over_before() -> None:
    world = world_with(msgspec.structs.replace(TWO, delay_seconds=3600))
    assert world.run().exit_code == ExitCode.CAPACITY
    assert len(world.aws.clusters) == 1


def test_a_signal_between_two_attempts_ends_the_run_without_another_cluster() -> None:
    world = world_with(TWO)
    world.aws.before_call = lambda _: (
        world.context.stop.request(15) if "TerminateJobFlows" in world.aws.calls else None
    )
    result = world.run()
    assert result.exit_code == ExitCode.TERMINATED
    assert (len(world.aws.clusters), world.aws.live()) == (1, [])


def test_an_attempt_whose_cluster_does_not_end_is_the_last_one() -> None:
    world = world_with(TWO)
    world.aws.never_ends = True
    assert world.run().exit_code == ExitCode.NOT_TERMINATED
    assert len(world.aws.clusters) == 1


def test_a_single_action_tries_its_launch_again_and_nothing_else() -> None:
    world = World()
    world.attempts = TWO
    lost = PlaybookError("no capacity", exit_code=ExitCode.CAPACITY, failure_class=FailureClass.CAPACITY)

    def fail_once() -> None:
        if world.playbooks.ran.count("launch") == 1:
            raise lost

    world.playbooks.during["launch"] = fail_once
    assert world.run("launch").exit_code == ExitCode.OK
    assert (len(world.aws.clusters), world.aws.live()) == (2, ["j-0002"])
    world.playbooks.fail["provision"] = lost
    assert world.run("provision").exit_code == ExitCode.CAPACITY
    assert world.aws.live() == ["j-0002"]


def test_the_node_hours_of_all_attempts_are_a_deadline() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, run_seconds=1e6, step_seconds=1e6))
    world.attempts = Policy(most_node_hours=3.0, nodes=3)
    world.aws.step_seconds = 1e5
    result = world.run()
    assert result.exit_code == ExitCode.DEADLINE
    assert "3 node hours" in result.message
    assert "kiln_most_node_hours" in result.fix
    assert world.aws.live() == []
    assert 3500 < world.clock.seconds < 4000
    hours = node_hours(world.remembered(), world.ledger.age_seconds)
    assert 2.9 < hours < 3.3


def test_a_run_that_has_used_its_node_hours_launches_nothing_more() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, run_seconds=1e6, step_seconds=1e6))
    world.attempts = Policy(most_node_hours=3.0, nodes=3)
    world.aws.step_seconds = 1e5
    world.run()
    again = world.run()
    assert (again.exit_code, len(world.aws.clusters)) == (ExitCode.DEADLINE, 1)
