"""Ctrl-C and SIGTERM at any moment of a run: what they end, what is recorded, which exit code follows."""

from __future__ import annotations

import dataclasses
import signal

import msgspec
import pytest
from hostile import every_call
from run_world import LIMITS, World, calls_of_a_whole_run

from kiln.errors import PlaybookError
from kiln.exit_codes import ExitCode
from kiln.stop import Stop

LONGEST = calls_of_a_whole_run() + 40


def test_ctrl_c_ends_the_cluster_even_when_failed_ones_are_kept() -> None:
    world = World(limits=msgspec.structs.replace(LIMITS, hold_seconds=1800))
    world.signal_at(30)
    result = world.run()
    assert result.exit_code == ExitCode.INTERRUPTED
    assert world.aws.live() == []


def test_an_interrupted_launch_of_a_single_action_leaves_no_cluster() -> None:
    world = World("launch")
    world.signal_at(8, signal.SIGTERM)
    result = world.run()
    assert result.exit_code == ExitCode.TERMINATED
    assert world.aws.live() == []


def test_a_step_that_a_signal_cancelled_makes_the_run_cancelled() -> None:
    world = World()
    world.run("launch")
    world.signal_at(len(world.aws.calls) + 12, signal.SIGTERM)
    assert world.run("sd").exit_code == ExitCode.TERMINATED
    assert "CancelSteps" in world.aws.calls
    world.context = dataclasses.replace(world.context, stop=Stop())
    assert world.run("terminate").verdict == "cancelled"


def test_a_step_that_is_not_shown_yet_is_cancelled_by_ctrl_c_too() -> None:
    world = World()
    world.run("launch")
    world.clock.seconds += 200
    world.aws.lag = 30
    world.aws.step_seconds = 5000

    def interrupt(_: int) -> None:
        if world.aws.calls[-1] == "AddJobFlowSteps":
            world.context.stop.request(signal.SIGINT)

    world.aws.before_call = interrupt
    assert world.run("sd").exit_code == ExitCode.INTERRUPTED
    cluster = world.aws.clusters["j-0001"]
    assert [world.aws.step_state(cluster, step) for step in cluster.steps] == ["CANCELLED"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("call", every_call(LONGEST))
def test_a_signal_at_any_call_leaves_no_cluster(call: int, number: int) -> None:
    world = World()
    world.signal_at(call, number)
    result = world.run()
    assert world.aws.live() == []
    assert result.exit_code in {0, 128 + number}


@pytest.mark.parametrize("kind", ["throttled", "lost_before"])
@pytest.mark.parametrize("happens", ["signal", "error"])
def test_the_end_of_a_cluster_does_not_wait_for_a_ledger_that_cannot_be_written(
    kind: str, happens: str
) -> None:
    world = World()
    begun: list[float] = []
    asked: list[float] = []

    def trouble() -> None:
        begun.append(world.clock.seconds)
        if happens == "signal":
            world.context.stop.request(signal.SIGTERM)
            world.context.stop.check()

    def before(call: int) -> None:
        if begun and world.aws.calls[call] in {"GetObject", "PutObject"}:
            world.aws.faults[call] = kind
        if world.aws.calls[call] == "TerminateJobFlows":
            asked.append(world.clock.seconds)

    world.playbooks.during["provision"] = trouble
    world.playbooks.fail["provision"] = PlaybookError("dnf failed")
    world.aws.before_call = before
    result = world.run()
    assert result.exit_code == (ExitCode.TERMINATED if happens == "signal" else ExitCode.PROVISION)
    # The search for the run's clusters asks the ledger for 30 s.
    assert asked[0] - begun[0] <= 40


def test_a_phase_that_failed_is_in_the_ledger_with_the_end_after_it() -> None:
    world = World()
    world.playbooks.fail["provision"] = PlaybookError("dnf failed")
    world.run()
    assert [(one.name, one.status) for one in world.remembered().phases] == [
        ("launch", "ok"),
        ("provision", "failed"),
        ("terminate", "ok"),
    ]
