"""Reads that lag behind writes, and calls whose answer is lost: one cluster, each step once, nothing left."""

from __future__ import annotations

import itertools

import pytest
from run_world import World

from kiln.exit_codes import ExitCode

LAGS = range(1, 41)
# How often AddJobFlowSteps is called in a whole run, and RunJobFlow.
CREATING_CALLS = ("RunJobFlow", "AddJobFlowSteps", "AddJobFlowSteps")


def lose(world: World, lost: tuple[bool, ...], kind: str) -> None:
    """Lose the answers of the creating calls that are marked in `lost`, in the order of the run."""
    seen = itertools.count()
    wanted = {number for number, is_lost in enumerate(lost) if is_lost}

    def before(at: int) -> None:
        if world.aws.calls[-1] in CREATING_CALLS and next(seen) in wanted:
            world.aws.faults[at] = kind

    world.aws.before_call = before


def steps_of(world: World) -> list[str]:
    return [step.request.name for cluster in world.aws.clusters.values() for step in cluster.steps]


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("lost", list(itertools.product([False, True], repeat=3)))
def test_a_whole_run_has_one_cluster_and_each_step_once(lag: float, lost: tuple[bool, ...]) -> None:
    world = World()
    world.aws.lag = lag
    lose(world, lost, "lost_after")
    result = world.run()
    assert (result.exit_code, result.verdict) == (0, "succeeded"), result.message
    assert len(world.aws.clusters) == 1
    assert steps_of(world) == ["sd", "cdd"]
    assert world.aws.live() == []


@pytest.mark.parametrize("lag", [0, 5, 40])
@pytest.mark.parametrize("which", range(3))
def test_a_call_without_answer_and_effect_is_not_repeated_and_the_run_says_so(lag: float, which: int) -> None:
    world = World()
    world.aws.lag = lag
    lose(world, tuple(number == which for number in range(3)), "lost_before")
    result = world.run()
    assert result.exit_code == (ExitCode.LAUNCH if which == 0 else ExitCode.STEP_FAILED)
    assert "not known" in result.message
    assert world.aws.calls.count("RunJobFlow") == 1
    assert world.aws.live() == []


@pytest.mark.parametrize("lag", [1, 3, 10, 20, 40])
@pytest.mark.parametrize("lost", list(itertools.product([False, True], repeat=3)))
def test_actions_one_by_one_share_one_cluster_and_each_step(lag: float, lost: tuple[bool, ...]) -> None:
    world = World()
    world.aws.lag = lag
    lose(world, lost, "lost_after")
    for action in ("launch,provision,deploy", "sd", "sd", "cdd"):
        result = world.run(action)
        assert result.exit_code == 0, result.message
    assert len(world.aws.clusters) == 1
    assert steps_of(world) == ["sd", "cdd"]
    ended = world.run("terminate")
    assert (ended.exit_code, ended.verdict, world.aws.live()) == (0, "succeeded", [])


@pytest.mark.parametrize("lag", [1, 3, 10, 20, 40])
def test_a_launch_is_found_by_the_next_action_at_once(lag: float) -> None:
    world = World()
    world.aws.lag = lag
    assert world.run("launch").exit_code == 0
    assert world.run("sd").exit_code == 0
    assert len(world.aws.clusters) == 1


@pytest.mark.parametrize("lag", [1, 10, 40])
def test_a_cluster_is_ended_while_reads_do_not_show_it_yet(lag: float) -> None:
    world = World()
    world.aws.lag = lag
    world.signal_at(4)  # the launch is under way: its outcome is not recorded
    result = world.run()
    assert result.exit_code == ExitCode.INTERRUPTED, result.message
    assert world.aws.live() == []


def test_a_step_that_was_lost_is_added_by_the_next_try_when_it_never_shows_up() -> None:
    world = World()
    world.run("launch")
    lose(world, (True,), "lost_before")
    assert world.run("sd").exit_code == ExitCode.STEP_FAILED
    assert world.run("sd").exit_code == 0
    assert steps_of(world) == ["sd"]


def test_a_refused_launch_leaves_nothing_to_look_for() -> None:
    world = World()
    world.aws.before_call = lambda at: world.aws.faults.update(
        {at: "refused"} if world.aws.calls[-1] == "RunJobFlow" else {}
    )
    result = world.run()
    assert result.exit_code == ExitCode.LAUNCH
    assert world.clock.seconds < 10, "the end of the run waited for a cluster that was refused"
