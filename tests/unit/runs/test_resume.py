"""What a run goes on with: complete steps, durable ones, other identities, held clusters."""

from __future__ import annotations

import msgspec
import pytest
from run_world import LIMITS, STEPS, World

from kiln.emr import tags
from kiln.exit_codes import ExitCode
from kiln.runs.step_parts import Part

DURABLE = tuple(msgspec.structs.replace(one, durable=True) for one in STEPS)


def failed_world(**changes: object) -> World:
    """Return a world whose whole run has failed in its second step."""
    world = World(**changes)  # type: ignore[arg-type]  # World's own parameters
    world.aws.step_outcomes["cdd"] = "FAILED"
    assert world.run().exit_code == ExitCode.STEP_FAILED
    world.aws.step_outcomes.clear()
    return world


def steps_on(world: World, cluster_id: str) -> list[str]:
    return [one.request.name for one in world.aws.clusters[cluster_id].steps]


def other_arguments(world: World) -> None:
    world.steps = tuple(msgspec.structs.replace(one, args=("--date", "other")) for one in world.steps)


def test_a_step_whose_products_died_with_the_cluster_runs_again_for_the_one_that_needs_it() -> None:
    world = failed_world()
    world.resumes = True
    result = world.run()
    assert (result.exit_code, result.verdict) == (0, "succeeded")
    assert steps_on(world, "j-0002") == ["sd", "cdd"]
    assert world.aws.live() == []


def test_a_durable_step_is_not_run_again_on_the_new_cluster_and_stands_in_the_result() -> None:
    world = failed_world(steps=DURABLE)
    world.resumes = True
    result = world.run()
    assert (result.exit_code, result.verdict) == (0, "succeeded")
    assert steps_on(world, "j-0002") == ["cdd"]
    assert [(one.name, one.state) for one in result.steps] == [("sd", "COMPLETED"), ("cdd", "COMPLETED")]


def test_what_runs_and_what_is_skipped_is_shown_once_before_the_launch() -> None:
    world = failed_world(steps=DURABLE)
    world.resumes = True
    world.reporter.lines.clear()
    world.run()
    shown = [line for line in world.reporter.lines if line.startswith("step ")]
    first, second, *_ = shown
    assert first.startswith("step sd: skipped: complete as s-000101 on j-0001 with the same identity")
    assert second.startswith("step cdd: runs: FAILED as s-000102 on j-0001")
    assert world.reporter.lines.index(second) < world.reporter.lines.index("launch")
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("resumes", [True, False])
def test_a_run_that_is_complete_launches_nothing_when_it_is_started_again(*, resumes: bool) -> None:
    world = World()
    world.run()
    world.resumes = resumes
    again = world.run()
    assert (again.exit_code, again.verdict) == (0, "succeeded")
    assert [one.name for one in again.steps] == ["sd", "cdd"]
    assert list(world.aws.clusters) == ["j-0001"]
    assert world.remembered().verdict == "succeeded"


def test_other_arguments_are_refused_before_a_launch_and_the_difference_is_shown() -> None:
    world = World()
    world.run()
    other_arguments(world)
    again = world.run()
    assert again.exit_code == ExitCode.USAGE
    assert "+ --date" in again.details
    assert "--again" in again.fix
    assert list(world.aws.clusters) == ["j-0001"]
    assert world.aws.live() == []


@pytest.mark.parametrize("how", ["resume", "again"])
def test_other_arguments_run_again_when_that_is_asked_for(how: str) -> None:
    world = World()
    world.run()
    other_arguments(world)
    world.resumes = how == "resume"
    world.part = Part(again=how == "again")
    again = world.run()
    assert (again.exit_code, again.verdict) == (0, "succeeded")
    assert steps_on(world, "j-0002") == ["sd", "cdd"]


def test_a_resumed_run_uses_its_held_cluster_and_takes_the_hold_back() -> None:
    world = failed_world(limits=msgspec.structs.replace(LIMITS, hold_seconds=1800))
    held = world.aws.describe_cluster("j-0001")
    assert held.tags[tags.HELD_UNTIL]
    assert (world.aws.clusters["j-0001"].idle_seconds or 0) >= 1800
    assert world.remembered().held_until
    world.resumes = True
    result = world.run()
    assert (result.exit_code, result.cluster_id) == (0, "j-0001")
    assert steps_on(world, "j-0001") == ["sd", "cdd", "cdd"]
    assert world.remembered().held_until is None
    assert world.aws.live() == []


def test_a_cluster_that_cannot_be_held_is_ended() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, hold_seconds=1800))
    world.aws.step_outcomes["sd"] = "FAILED"
    world.aws.before_call = lambda at: world.aws.faults.update(
        {at: "refused"} if world.aws.calls[-1] in {"AddTags", "PutAutoTerminationPolicy"} else {}
    )
    result = world.run()
    assert (result.exit_code, result.cluster_state) == (ExitCode.STEP_FAILED, "TERMINATED")
    assert world.aws.live() == []


def test_a_signal_ends_the_cluster_also_when_failed_ones_are_held() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, hold_seconds=1800))
    world.signal_at(30)
    assert world.run().exit_code == ExitCode.INTERRUPTED
    assert world.aws.live() == []
