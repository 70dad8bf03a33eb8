"""A step that Airflow clears or tries again: on the run's cluster, or on a new one; once for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from fakes import shape
from kiln_commands import Commands
from run_world import STEPS

from kiln.aws.effects import LostInstance
from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

TASK = ("--if-no-cluster", "launch")
CLEARED = (*TASK, "--again-once", "2")
DURABLE = tuple(msgspec.structs.replace(step, durable=True) for step in STEPS)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    one = Commands()
    one.replace_parts(monkeypatch, tmp_path)
    return one


def do(world: Commands, *actions: str) -> None:
    for action in actions:
        assert world.kiln("r1", actions=(action,)) == ExitCode.OK


def added(world: Commands) -> list[tuple[str, str]]:
    """Return the steps of all clusters, in their order."""
    return [(of.id, step.request.name) for of in world.aws.clusters.values() for step in of.steps]


def ended(world: Commands) -> None:
    do(world, "launch,provision,deploy", "sd", "cdd", "terminate")


def test_without_the_option_a_step_of_an_ended_run_launches_nothing(world: Commands) -> None:
    ended(world)
    assert world.kiln("r1", actions=("sd",)) == ExitCode.CLUSTER_NOT_FOUND
    assert len(world.aws.clusters) == 1


@pytest.mark.parametrize("steps", [STEPS, DURABLE])
def test_a_cleared_step_runs_again_alone_on_a_new_cluster_which_stays(world: Commands, steps: tuple) -> None:  # type: ignore[type-arg]  # of steps
    world.settings["steps"] = steps
    ended(world)
    assert world.kiln("r1", *CLEARED, actions=("sd",)) == ExitCode.OK
    assert added(world)[2:] == [("j-0002", "sd")]
    assert world.aws.live() == ["j-0002"]
    names = [one.name for one in world.remembered("r1").phases]
    assert names[-3:] == ["launch", "provision", "sd"]


def test_a_retry_of_a_cleared_step_does_not_run_it_once_more(world: Commands) -> None:
    """The worker was lost after the step had been complete."""
    world.settings["steps"] = DURABLE
    ended(world)
    for _ in range(2):
        assert world.kiln("r1", *CLEARED, actions=("sd",)) == ExitCode.OK
    assert added(world)[2:] == [("j-0002", "sd")]
    assert world.kiln("r1", *CLEARED[:-1], "3", actions=("sd",)) == ExitCode.OK
    assert added(world)[2:] == [("j-0002", "sd"), ("j-0002", "sd")]


def test_a_cleared_step_on_the_runs_own_cluster_launches_nothing(world: Commands) -> None:
    do(world, "launch,provision,deploy", "sd", "cdd")
    assert world.kiln("r1", *CLEARED, actions=("sd",)) == ExitCode.OK
    assert added(world) == [("j-0001", "sd"), ("j-0001", "cdd"), ("j-0001", "sd")]


def test_what_the_ended_cluster_took_with_it_is_made_again_first(world: Commands) -> None:
    ended(world)
    assert world.kiln("r1", *CLEARED, actions=("cdd",)) == ExitCode.OK
    assert added(world)[2:] == [("j-0002", "sd"), ("j-0002", "cdd")]


def test_what_outlives_a_cluster_is_not_made_again(world: Commands) -> None:
    world.settings["steps"] = DURABLE
    ended(world)
    assert world.kiln("r1", *CLEARED, actions=("cdd",)) == ExitCode.OK
    assert added(world)[2:] == [("j-0002", "cdd")]


def test_a_step_that_somebody_marked_as_done_does_not_run(world: Commands) -> None:
    do(world, "launch,provision,deploy", "terminate")
    assert world.kiln("r1", *CLEARED, actions=("cdd",)) == ExitCode.OK
    assert added(world) == [("j-0002", "cdd")]


def test_a_cluster_that_a_killed_try_has_only_launched_is_made_ready(world: Commands) -> None:
    ended(world)
    do(world, "launch")
    assert world.kiln("r1", *CLEARED, actions=("sd",)) == ExitCode.OK
    assert added(world)[2:] == [("j-0002", "sd")]
    assert [one.name for one in world.remembered("r1").phases][-3:] == ["launch", "provision", "sd"]


def test_another_runs_cluster_keeps_a_cleared_step_from_launching(world: Commands) -> None:
    ended(world)
    world.enter("r2")
    assert world.kiln("r1", *CLEARED, actions=("sd",)) == ExitCode.LOCKED
    assert len(world.aws.clusters) == 1


SPOT = LostInstance(id="ci-1", ec2_instance_id="", group_id="ig-CORE", market="SPOT", ended_at=None)


def lose_spot_nodes(world: Commands, *, ends_cluster: bool) -> None:
    """Run sd; then lose a core node in the middle of cdd, and the cluster with it or not."""
    do(world, "launch,provision,deploy")
    assert world.kiln("r1", *TASK, actions=("sd",)) == ExitCode.OK
    world.aws.lost["j-0001"] = [SPOT]
    world.aws.step_outcomes["cdd"] = "FAILED"
    assert world.kiln("r1", *TASK, actions=("cdd",)) == ExitCode.CAPACITY
    world.aws.step_outcomes.clear()
    assert world.remembered("r1").failure_class == "spot_loss"
    if ends_cluster:
        world.aws.clusters["j-0001"].ended_at = world.clock.seconds
        world.clock.seconds += 120


@pytest.mark.parametrize(
    ("steps", "repeated"), [(DURABLE, []), (STEPS, [("j-0002", "sd")])], ids=["durable", "lost with it"]
)
def test_a_cleared_launch_after_spot_loss_makes_a_new_cluster_and_repeats_no_step_whose_results_are_there(
    world: Commands,
    steps: tuple,  # type: ignore[type-arg]  # of steps
    repeated: list[tuple[str, str]],
) -> None:
    world.settings["steps"] = steps
    lose_spot_nodes(world, ends_cluster=True)
    do(world, "launch,provision,deploy")
    assert world.aws.live() == ["j-0002"]
    # The task of cdd was cleared, too, and that of sd was not: Airflow leaves it out.
    assert world.kiln("r1", *CLEARED, actions=("cdd",)) == ExitCode.OK
    assert added(world) == [("j-0001", "sd"), ("j-0001", "cdd"), *repeated, ("j-0002", "cdd")]
    do(world, "terminate")
    assert world.aws.live() == []


def test_after_the_teardown_of_a_run_that_lost_spot_nodes_its_launch_can_be_cleared(world: Commands) -> None:
    world.settings["steps"] = DURABLE
    lose_spot_nodes(world, ends_cluster=False)
    do(world, "terminate", "launch,provision,deploy")
    # Cleared with all that comes after the launch but without --again-once, as after its retry.
    for action in ("sd", "cdd"):
        assert world.kiln("r1", *TASK, actions=(action,)) == ExitCode.OK
    assert [row for row in added(world) if row[0] == "j-0002"] == [("j-0002", "cdd")]


@pytest.mark.parametrize("text", ["", "a b", "x" * 61, "$(x)"])
def test_a_request_has_a_plain_id(world: Commands, text: str) -> None:
    assert world.kiln("r1", f"--again-once={text}", actions=("sd",)) == ExitCode.USAGE


@pytest.fixture
def own_end(world: Commands) -> Commands:
    """Tasks of a DAG whose cluster ends by itself."""
    world.shape = shape(keep_alive=False)
    world.settings["steps"] = DURABLE
    return world


def test_a_task_whose_step_was_complete_before_the_clusters_own_end_launches_nothing(
    own_end: Commands,
) -> None:
    do(own_end, "launch")
    own_end.clock.seconds += 7200
    assert own_end.aws.live() == []
    for action in ("sd", "cdd"):
        assert own_end.kiln("r1", *TASK, actions=(action,)) == ExitCode.OK
    do(own_end, "terminate")
    assert added(own_end) == [("j-0001", "sd"), ("j-0001", "cdd")]


def test_a_task_that_is_tried_again_after_its_step_failed_launches_a_cluster_with_that_step(
    own_end: Commands,
) -> None:
    own_end.aws.step_outcomes["cdd"] = "FAILED"
    do(own_end, "launch")
    assert own_end.kiln("r1", *TASK, actions=("sd",)) == ExitCode.OK
    own_end.clock.seconds += 7200
    assert own_end.kiln("r1", *TASK, actions=("cdd",)) == ExitCode.STEP_FAILED
    own_end.aws.step_outcomes.clear()
    assert own_end.kiln("r1", *TASK, actions=("cdd",)) == ExitCode.OK
    assert added(own_end)[2:] == [("j-0002", "cdd")]


def test_a_task_that_was_cleared_launches_a_cluster_with_its_step(own_end: Commands) -> None:
    do(own_end, "launch")
    own_end.clock.seconds += 7200
    for action in ("sd", "cdd"):
        assert own_end.kiln("r1", *TASK, actions=(action,)) == ExitCode.OK
    assert own_end.kiln("r1", *CLEARED, actions=("sd",)) == ExitCode.OK
    assert added(own_end)[2:] == [("j-0002", "sd")]
