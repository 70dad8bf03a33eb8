"""The deadline of a run and of a step: what is reported, what is not assumed, what is cancelled."""

from __future__ import annotations

import msgspec
from run_world import LIMITS, STEPS, World

from kiln.emr import steps
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import StepEntry

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
