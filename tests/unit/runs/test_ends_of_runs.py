"""Which commands end a cluster, hold it or leave it alone, whatever went wrong before."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from run_world import LIMITS, STEPS, World

from kiln.emr import tags
from kiln.errors import DeadlineError, KilnError, PlaybookError, StepCancelledError
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass
from kiln.runs.attempts import Policy
from kiln.runs.step_parts import Part

if TYPE_CHECKING:
    from kiln.runs.result import Result

LOST = PlaybookError("gone", exit_code=ExitCode.CAPACITY, failure_class=FailureClass.SPOT_LOSS)
TWO = Policy(attempts=2, delay_seconds=60, nodes=3)
HOLD = msgspec.structs.replace(LIMITS, hold_seconds=1800)


def fail_once(world: World, phase: str, error: KilnError) -> None:
    """Let a phase fail the first time, after its effects on AWS."""

    def fail() -> None:
        if world.playbooks.ran.count(phase) == 1:
            raise error

    world.playbooks.during[phase] = fail


def is_held(world: World, cluster_id: str) -> bool:
    return bool(world.aws.describe_cluster(cluster_id).tags.get(tags.HELD_UNTIL))


@pytest.mark.parametrize(
    ("phase", "error", "hold", "attempts"),
    list(
        itertools.product(
            ["launch", "provision", "deploy"],
            [
                LOST,
                PlaybookError("dnf failed"),
                DeadlineError("late"),
                StepCancelledError("somebody"),
                KilnError("fault"),
            ],
            [False, True],
            [Policy(), TWO],
        )
    ),
)
def test_a_cluster_of_a_whole_run_is_ended_or_held_after_any_failure(
    phase: str, error: KilnError, attempts: Policy, *, hold: bool
) -> None:
    world = World(limits=HOLD if hold else LIMITS)
    world.attempts = attempts
    fail_once(world, phase, error)
    result = world.run()
    again = attempts.attempts > 1 and error is LOST and not hold
    assert (result.exit_code == 0) == again
    assert all(is_held(world, one) for one in world.aws.live()) if hold else world.aws.live() == []
    assert len(world.aws.clusters) == 1 + again


def test_a_launch_without_a_known_cluster_is_searched_for_and_ended_although_failed_ones_are_held() -> None:
    world = World(limits=HOLD)
    world.playbooks.hides_cluster = True
    world.playbooks.during["launch"] = lambda: (_ for _ in ()).throw(DeadlineError("late"))
    result = world.run()
    assert result.exit_code == ExitCode.DEADLINE
    assert world.aws.live() == []


@pytest.mark.parametrize("hold", [True, False])
def test_a_refused_command_leaves_the_cluster_and_the_verdict_of_its_run_alone(*, hold: bool) -> None:
    world = World(limits=HOLD if hold else LIMITS)
    assert world.run("launch,sd").exit_code == 0
    before = world.remembered()
    world.steps = tuple(msgspec.structs.replace(one, args=("other",)) for one in STEPS)
    refused = world.run()
    assert refused.exit_code == ExitCode.USAGE
    assert world.aws.live() == ["j-0001"]
    kept = world.remembered()
    assert (kept.verdict, kept.exit_code) == (before.verdict, before.exit_code)
    assert not is_held(world, "j-0001")


def test_a_signal_while_it_is_decided_what_is_left_ends_the_cluster_of_a_whole_run() -> None:
    world = World()
    world.run("launch,sd")
    first = len(world.aws.calls)
    world.signal_at(first + 1)
    result = world.run()
    assert result.exit_code == ExitCode.INTERRUPTED
    assert world.aws.live() == []


def after_a_lost_cluster(world: World) -> Result:
    """Run; the first cluster is lost after its first step."""
    world.attempts = TWO
    world.aws.step_outcomes["cdd"] = "CANCELLED"

    def lose(_: int) -> None:
        one = world.aws.clusters.get("j-0001")
        if one and len(one.steps) == 2 and one.ended_at is None:
            one.ended_at = world.clock.seconds
            one.ended_because = ("INTERNAL_ERROR", "internal error")
            world.aws.step_outcomes.clear()

    world.aws.before_call = lose
    return world.run()


def test_a_further_attempt_is_not_refused_because_something_changed_meanwhile() -> None:
    world = World()
    result = after_a_lost_cluster(world)
    assert (result.exit_code, result.verdict) == (0, "succeeded")
    assert result.cause is None
    assert [one.failure_class for one in result.attempts] == ["emr_internal"]


def test_a_further_attempt_does_not_ask_again_for_what_this_command_has_completed() -> None:
    world = World(steps=tuple(msgspec.structs.replace(one, durable=True) for one in STEPS))
    world.part = Part(again=True)
    assert after_a_lost_cluster(world).exit_code == 0
    assert [one.request.name for one in world.aws.clusters["j-0002"].steps] == ["cdd"]


def test_a_cluster_that_ends_at_the_second_request_leaves_the_first_cause_in_the_result() -> None:
    world = World()
    world.attempts = TWO
    fail_once(world, "provision", LOST)
    world.aws.never_ends = True

    def let_it_end(_: int) -> None:
        if world.clock.seconds > LIMITS.terminate_seconds + 150:
            world.aws.never_ends = False

    world.aws.before_call = let_it_end
    result = world.run()
    assert (result.exit_code, result.failure_class) == (ExitCode.CAPACITY, "spot_loss")
    assert len(world.aws.clusters) == 1
    assert world.aws.live() == []


def test_no_attempt_begins_when_the_end_of_the_cluster_has_taken_the_time() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, run_seconds=160))
    world.attempts = TWO
    fail_once(world, "provision", LOST)
    result = world.run()
    assert result.exit_code == ExitCode.CAPACITY
    assert len(world.aws.clusters) == 1


def test_node_hours_that_are_used_in_a_playbook_are_named() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, run_seconds=1e6))
    world.attempts = Policy(most_node_hours=3.0, nodes=3)
    world.playbooks.seconds["provision"] = 1e5
    result = world.run()
    assert (result.exit_code, result.failure_class) == (ExitCode.DEADLINE, "cost_cap")
    assert "kiln_most_node_hours" in result.fix


def test_the_ledger_has_settings_and_class_of_the_last_attempt_too() -> None:
    world = World()
    world.aws.step_outcomes["sd"] = "FAILED"
    world.run()
    assert world.remembered().attempts[-1].failure_class == "user_code"


def test_a_cluster_that_died_before_a_step_is_judged_by_its_own_end() -> None:
    world = World()

    def die() -> None:
        one = world.aws.clusters["j-0001"]
        one.ended_at = world.clock.seconds - 100
        one.ended_because = ("INTERNAL_ERROR", "internal error")

    world.playbooks.during["deploy"] = die
    result = world.run()
    assert (result.exit_code, result.failure_class) == (ExitCode.LAUNCH, "emr_internal")
