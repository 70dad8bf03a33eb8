"""The deadline of a run and of a step: what is reported, what is not assumed, what is cancelled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from run_world import LIMITS, STEPS, World

from kiln.aws.tokens import SharedTokens
from kiln.emr import steps
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import StepEntry

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeCluster, FakeStep

STEP = STEPS[0]


def launched(run_seconds: float, **limits: float) -> World:
    """Return a world whose run has a cluster, and so many seconds for the next action."""
    world = World()
    assert world.run("launch").exit_code == 0
    world.limits = msgspec.structs.replace(LIMITS, run_seconds=run_seconds, **limits)
    return world


def names_of_steps(world: World) -> list[str]:
    return [step.request.name for step in world.aws.clusters["j-0001"].steps]


def test_a_step_that_a_killed_driver_has_added_is_not_added_again_because_the_run_is_late() -> None:
    world = launched(10)
    intent = StepEntry(name=STEP.name, cluster_id="j-0001", intent_at=world.ledger.now())
    world.ledger.update(lambda run: run.steps.append(intent))
    world.aws.add_steps("j-0001", [steps.request(STEP)])
    world.aws.lag = 40
    result = world.run("sd")
    assert result.exit_code == ExitCode.DEADLINE, result.message
    assert names_of_steps(world) == ["sd"]


def test_a_run_that_is_late_while_its_cluster_is_not_shown_says_that_it_is_late() -> None:
    world = launched(10)
    world.aws.lag = 10_000
    result = world.run("sd")
    assert result.exit_code == ExitCode.DEADLINE, result.message


def test_a_run_that_is_late_while_it_searches_for_a_step_says_for_how_long_it_searched() -> None:
    world = launched(5)
    world.aws.lag = 20
    world.clock.seconds += 100

    def lose(at: int) -> None:
        if world.aws.calls[-1] == "AddJobFlowSteps":
            world.aws.faults[at] = "lost_after"

    world.aws.before_call = lose
    result = world.run("sd")
    assert result.exit_code == ExitCode.DEADLINE, result.message
    assert "did not show up in 5 s" in result.message
    assert "not known" in result.message


def throttle_from(world: World, seconds: float, *calls: str) -> None:
    """Let these calls be refused for being too many from this time on."""

    def before(at: int) -> None:
        if world.aws.calls[-1] in calls and world.clock.seconds >= seconds:
            world.aws.faults[at] = "throttled"

    world.aws.before_call = before


def test_a_steps_own_limit_is_not_called_the_runs_when_the_run_ends_while_it_is_cancelled() -> None:
    world = launched(650, step_seconds=600)
    world.aws.step_seconds = 50_000
    world.aws.ignores_cancel = True
    result = world.run("sd")
    assert world.clock.seconds > 650
    assert result.exit_code == ExitCode.DEADLINE
    assert result.message.startswith("step sd took longer than 600 s, and may still run")
    assert "kiln_step_timeout_seconds" in result.fix
    assert "kiln_run_timeout_seconds" not in result.fix


def test_a_run_that_is_late_in_a_step_says_that_the_step_may_still_run() -> None:
    world = launched(300, step_seconds=6000)
    world.aws.step_seconds = 50_000
    world.aws.ignores_cancel = True
    result = world.run("sd")
    assert result.exit_code == ExitCode.DEADLINE
    assert result.message.startswith("the run took longer than 300 s: step sd")
    assert "may still run" in result.message
    assert "delays the next step" in result.fix
    assert "kiln_run_timeout_seconds" in result.fix
    assert "kiln_step_timeout_seconds" not in result.fix


def test_a_late_step_is_cancelled_when_aws_throttles_at_the_deadline() -> None:
    world = launched(3600, step_seconds=600)
    world.aws.step_seconds = 50_000
    throttle_from(world, world.clock.seconds + 550, "ListSteps")
    result = world.run("sd")
    assert result.exit_code == ExitCode.DEADLINE, result.message
    assert world.aws.step_state(*step_of(world)) == "CANCELLED"


def step_of(world: World) -> tuple[FakeCluster, FakeStep]:
    cluster = world.aws.clusters["j-0001"]
    return cluster, cluster.steps[0]


def test_throttling_before_a_steps_deadline_is_no_late_step() -> None:
    world = launched(36_000, step_seconds=6000)
    world.aws.step_seconds = 50_000
    throttle_from(world, world.clock.seconds + 100, "ListSteps")
    assert world.run("sd").exit_code == ExitCode.THROTTLED
    assert "CancelSteps" not in world.aws.calls


@pytest.mark.parametrize("call", ["list_steps", "add_steps"])
def test_a_run_that_waits_for_its_turn_until_its_deadline_is_late(call: str, tmp_path: Path) -> None:
    world = launched(20)
    tokens = SharedTokens(tmp_path / "tokens.json", world.clock)
    tokens.charge(call, 1000)
    world.context = replace(world.context, tokens=tokens)
    result = world.run("sd")
    assert result.exit_code == ExitCode.DEADLINE, result.message
    assert result.message.startswith("the run took longer than 20 s: Kiln's processes on this host have used")
    assert "kiln_run_timeout_seconds" in result.fix


def test_a_cancellation_that_aws_throttles_delays_the_end_of_the_cluster_by_a_minute() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, run_seconds=700, step_seconds=6000))
    world.aws.step_seconds = 50_000
    throttle_from(world, 700, "CancelSteps")
    assert world.run().exit_code == ExitCode.DEADLINE
    ended_at = world.aws.clusters["j-0001"].ended_at
    assert ended_at is not None
    assert ended_at <= 700 + 61


def test_a_cause_that_aws_does_not_answer_delays_the_end_of_the_cluster_by_a_minute() -> None:
    world = World()
    world.aws.step_outcomes["sd"] = "FAILED"
    throttled_from: list[float] = []

    def before(at: int) -> None:
        # The step's failure has been seen and written down: what is asked of it now is its cause.
        ledger = world.remembered() if world.aws.calls[-1] == "ListSteps" else None
        if ledger and ledger.steps and ledger.steps[0].state == "FAILED":
            throttled_from.append(world.clock.seconds)
            world.aws.faults[at] = "throttled"

    world.aws.before_call = before
    assert world.run().exit_code == ExitCode.STEP_FAILED
    ended_at = world.aws.clusters["j-0001"].ended_at
    assert ended_at is not None
    assert throttled_from[0] + 60 <= ended_at < throttled_from[0] + 65


def test_a_ledger_that_cannot_be_written_delays_the_report_of_a_failed_step_by_half_a_minute() -> None:
    world = launched(36_000)
    world.aws.step_outcomes["sd"] = "FAILED"
    throttle_from(world, world.clock.seconds + world.aws.step_seconds - 1, "GetObject")
    before = world.clock.seconds
    assert world.run("sd").exit_code == ExitCode.STEP_FAILED
    # The ledger is written once about the step, and once about the run.
    assert world.clock.seconds < before + world.aws.step_seconds + 40 + 70
