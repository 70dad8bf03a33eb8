"""A cluster that ends under a run, a step that does not end: the error names the cause, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_world import World

from kiln.errors import PlaybookError
from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable


def when(world: World, call: str, count: int, act: Callable[[], object]) -> None:
    """Do something at the given call."""
    seen: list[int] = []

    def before(at: int) -> None:
        if world.aws.calls[-1] == call:
            seen.append(at)
            if len(seen) == count:
                act()

    world.aws.before_call = before


def end_cluster(world: World, *reason: str) -> None:
    cluster = world.aws.clusters["j-0001"]
    cluster.ended_at = world.clock.seconds
    if reason:
        cluster.ended_because = (reason[0], reason[1])


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_cluster_that_somebody_ends_during_a_step_is_the_cause(count: int) -> None:
    world = World("sd")
    world.run("launch")
    when(world, "ListSteps", count, lambda: end_cluster(world))
    result = world.run()
    assert result.exit_code == ExitCode.STEP_CANCELLED
    assert "cluster j-0001 was terminated by user request" in result.message


def test_a_cluster_that_loses_its_master_during_a_step_is_lost_capacity_with_the_reason() -> None:
    world = World("sd")
    world.run("launch")
    reason = ("INSTANCE_FAILURE", "The master node was terminated. ")
    when(world, "ListSteps", 4, lambda: end_cluster(world, *reason))
    result = world.run()
    assert (result.exit_code, result.failure_class) == (ExitCode.CAPACITY, "no_master")
    assert "INSTANCE_FAILURE: The master node was terminated." in result.message


def test_a_step_that_somebody_cancels_is_only_that() -> None:
    world = World("sd")
    world.run("launch")
    when(world, "ListSteps", 4, lambda: world.aws.cancel_steps("j-0001", ["s-000101"]))
    result = world.run()
    assert result.exit_code == ExitCode.STEP_CANCELLED
    assert result.message.endswith("was cancelled")


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("first", [None, "launch"])
def test_a_playbook_that_loses_its_cluster_says_so(first: str | None, *, ended: bool) -> None:
    world = World("provision" if first else "launch,provision")
    if first:
        world.run(first)
    lost = "provision: task 'Install' failed on 10.0.0.7: Data could not be sent to remote host"
    world.playbooks.fail["provision"] = PlaybookError(lost)
    if ended:
        world.playbooks.during["provision"] = lambda: end_cluster(world)
    result = world.run()
    assert result.exit_code == (ExitCode.STEP_CANCELLED if ended else ExitCode.PROVISION)
    assert result.failure_class == ("cancelled" if ended else "provision")
    assert lost in result.message
    assert ("cluster j-0001 was terminated by user request" in result.message) == ended


def test_a_late_step_that_does_not_stop_is_reported_once_with_what_it_blocks() -> None:
    world = World("launch,sd")
    world.aws.step_seconds = 5000
    world.aws.ignores_cancel = True
    result = world.run()
    assert result.exit_code == ExitCode.DEADLINE
    assert "may still run" in result.message
    assert "it was cancelled" not in result.message + result.fix
    assert "delays the next step" in result.fix


def test_a_late_step_that_stops_was_cancelled() -> None:
    world = World("launch,sd")
    world.aws.step_seconds = 5000
    result = world.run()
    assert (result.exit_code, "it was cancelled" in result.fix) == (ExitCode.DEADLINE, True)
    assert "may still run" not in result.message
