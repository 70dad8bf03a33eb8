"""Runs whose cluster has its steps from the launch on, and ends by itself."""

from __future__ import annotations

import signal

import msgspec
import pytest
from fakes import BY_USER, FakeAws, VirtualClock, shape
from run_world import STEPS, World

from kiln.exit_codes import ExitCode


def world_of(aws: FakeAws | None = None) -> World:
    world = World(aws=aws)
    world.shape = world.playbooks.shape = shape(keep_alive=False)
    world.playbooks.steps = tuple(msgspec.structs.replace(one, durable=True) for one in STEPS)
    world.steps = world.playbooks.steps
    return world


def launched_steps(world: World, cluster_id: str) -> list[tuple[str, str]]:
    request = world.aws.clusters[cluster_id].request
    assert request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is False
    return [(one["Name"], one["ActionOnFailure"]) for one in request["Steps"]]


def test_a_run_follows_the_steps_of_its_launch_and_asks_for_no_end() -> None:
    world = world_of()
    result = world.run()
    assert (result.exit_code, result.verdict) == (0, "succeeded")
    assert launched_steps(world, "j-0001") == [("sd", "TERMINATE_CLUSTER"), ("cdd", "TERMINATE_CLUSTER")]
    assert [(one.name, one.state) for one in result.steps] == [("sd", "COMPLETED"), ("cdd", "COMPLETED")]
    assert not {"AddJobFlowSteps", "TerminateJobFlows"}.intersection(world.aws.calls)
    assert world.aws.live() == []
    assert world.remembered().attempts[-1].end_state == "TERMINATED"


def test_steps_that_are_over_before_anybody_looks_are_judged_all_the_same() -> None:
    world = world_of()
    world.aws.step_seconds = 1.0
    assert world.run().verdict == "succeeded"


@pytest.mark.parametrize(("failed", "verdict"), [("sd", "failed"), ("cdd", "failed")])
def test_a_failed_step_fails_the_run_and_the_next_ones_do_not_run(failed: str, verdict: str) -> None:
    world = world_of()
    world.aws.step_outcomes[failed] = "FAILED"
    result = world.run()
    assert (result.exit_code, result.verdict) == (ExitCode.STEP_FAILED, verdict)
    assert failed in result.message
    assert len(world.aws.clusters) == 1
    assert world.aws.live() == []


def test_a_resumed_run_launches_a_cluster_for_what_is_left() -> None:
    world = world_of()
    world.aws.step_outcomes["cdd"] = "FAILED"
    world.run()
    world.aws.step_outcomes.clear()
    world.resumes = True
    assert world.run().verdict == "succeeded"
    assert [name for name, _ in launched_steps(world, "j-0002")] == ["cdd"]


def test_tasks_one_by_one_judge_their_steps_also_after_the_cluster_has_ended() -> None:
    world = world_of()
    assert world.run("launch").exit_code == 0
    world.clock.seconds += 3600
    assert world.aws.live() == []
    for name in ("sd", "cdd", "terminate"):
        assert world.run(name).exit_code == 0, name
    assert len(world.aws.clusters) == 1


def test_a_launch_that_is_repeated_finds_cluster_and_steps_and_adds_none() -> None:
    world = world_of()
    world.run("launch")
    world.ledger.update(lambda run: run.steps.clear())
    assert world.run("launch").exit_code == 0
    assert [one.step_id for one in world.remembered().steps] == ["s-000101", "s-000102"]
    assert world.aws.calls.count("RunJobFlow") == 1


def test_a_signal_ends_the_cluster_before_its_own_end() -> None:
    world = world_of(FakeAws(VirtualClock()))
    world.aws.step_seconds = 600.0

    def stop(_: int) -> None:
        if world.aws.calls[-1] == "ListSteps" and world.clock.seconds > 100:
            world.context.stop.request(signal.SIGTERM)

    world.aws.before_call = stop
    result = world.run()
    assert result.exit_code == ExitCode.TERMINATED
    assert world.aws.live() == []
    assert world.aws.clusters["j-0001"].ended_because == BY_USER
