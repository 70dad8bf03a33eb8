"""Reads that lag behind writes, and calls whose answer is lost: one cluster, each step once, nothing left."""

from __future__ import annotations

import functools
import itertools
import signal
from typing import Any

import msgspec
import pytest
from fakes import FakeStep
from run_world import STEPS, World

from kiln.emr import add_steps, steps
from kiln.errors import UsageError
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import Run, StepEntry

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


@pytest.mark.parametrize("lag", [0, 1, 10, 40])
def test_a_cluster_is_ended_while_reads_do_not_show_it_yet(lag: float) -> None:
    world = World()
    world.aws.lag = lag

    def interrupt(_: int) -> None:
        if world.aws.calls[-1] == "RunJobFlow":
            world.context.stop.request(signal.SIGINT)

    world.aws.before_call = interrupt
    result = world.run()
    assert world.aws.calls.count("RunJobFlow") == 1
    assert result.exit_code == ExitCode.INTERRUPTED, result.message
    assert world.aws.live() == []


def test_a_signal_before_the_launch_leaves_nothing_to_search_for() -> None:
    world = World()

    def interrupt(_: int) -> None:
        if world.aws.calls[-1] == "PutObject":
            world.context.stop.request(signal.SIGINT)

    world.aws.before_call = interrupt
    assert world.run().exit_code == ExitCode.INTERRUPTED
    assert "RunJobFlow" not in world.aws.calls
    assert world.clock.seconds < 10


def test_a_cluster_that_aws_does_not_show_is_not_called_gone() -> None:
    world = World()
    world.run("launch")
    world.aws.lag = 1000
    ended = world.run("terminate")
    assert ended.exit_code == ExitCode.NOT_TERMINATED
    assert "j-0001" in ended.message
    world.aws.lag = 0
    assert world.run("terminate").exit_code == 0
    assert world.aws.live() == []


def test_a_launched_cluster_that_never_shows_up_is_asked_to_end_and_reported() -> None:
    world = World()
    world.aws.lag = 1000
    result = world.run()
    assert result.exit_code == ExitCode.NOT_TERMINATED
    assert world.aws.live() == []


def test_no_second_cluster_is_launched_while_the_first_is_not_shown() -> None:
    world = World()
    world.run("launch")
    world.aws.lag = 1000
    assert world.run("launch").exit_code == ExitCode.CLUSTER_NOT_FOUND
    assert len(world.aws.clusters) == 1


def test_what_the_ledger_remembers_of_long_ago_is_not_waited_for() -> None:
    world = World()
    world.run("launch")
    world.aws.clusters.clear()
    world.clock.seconds += 61 * 24 * 3600
    before = world.clock.seconds
    assert world.run("terminate").exit_code == 0
    assert world.clock.seconds < before + 10


def test_a_launch_that_did_not_show_up_is_searched_for_once() -> None:
    world = World("launch")
    lose(world, (True,), "lost_before")
    assert world.run().exit_code == ExitCode.LAUNCH
    assert world.run("terminate").exit_code == 0
    before = world.clock.seconds
    assert world.run("terminate").exit_code == 0
    assert world.clock.seconds < before + 10


STEP = STEPS[0]


def intend(meant: StepEntry, run: Run) -> None:
    run.steps.append(meant)


def test_a_process_that_waits_takes_the_step_that_another_has_added_meanwhile() -> None:
    for after in range(1, 6):
        world = World()
        world.run("launch")
        meant = StepEntry(name=STEP.name, cluster_id="j-0001", intent_at=world.ledger.now())
        world.ledger.update(functools.partial(intend, meant))
        reads = itertools.count(1)

        def the_other_goes_on(_: int, world: World = world, reads: Any = reads, after: int = after) -> None:
            if world.aws.calls[-1] == "ListSteps" and next(reads) == after:
                world.aws.before_call = lambda _: None
                (step_id,) = world.aws.add_steps("j-0001", [steps.request(STEP)])
                steps.record(world.ledger, step_id, name=STEP.name, cluster_id="j-0001")

        world.aws.before_call = the_other_goes_on
        seen, new = add_steps.add(world.context, "j-0001", STEP, world.ledger)
        assert (seen.id, new, steps_of(world)) == ("s-000101", False, ["sd"])


def test_two_processes_that_add_a_step_at_the_same_time_add_one() -> None:
    """The other one does all of it at any call of the first, up to the one that adds."""
    for call in range(20):
        world = World()
        world.run("launch")
        first = len(world.aws.calls)

        def the_other_adds(at: int, world: World = world, wanted: int = first + call) -> None:
            if at == wanted and world.aws.calls[-1] != "AddJobFlowSteps":
                world.aws.before_call = lambda _: None
                add_steps.add(world.context, "j-0001", STEP, world.ledger)

        world.aws.before_call = the_other_adds
        add_steps.add(world.context, "j-0001", STEP, world.ledger)
        assert steps_of(world) == ["sd"], call


def test_a_step_that_was_lost_is_added_by_the_next_try_when_it_never_shows_up() -> None:
    world = World()
    world.run("launch")
    lose(world, (True,), "lost_before")
    assert world.run("sd").exit_code == ExitCode.STEP_FAILED
    assert world.run("sd").exit_code == 0
    assert steps_of(world) == ["sd"]


@pytest.mark.parametrize("change", [{"args": ("false",)}, {"jar": "other.jar"}])
def test_a_step_that_was_lost_is_not_added_again_with_other_arguments(change: dict[str, Any]) -> None:
    world = World()
    world.run("launch")
    meant = StepEntry(name=STEP.name, cluster_id="j-0001", intent_at=world.ledger.now())
    world.ledger.update(functools.partial(intend, meant))
    world.aws.add_steps("j-0001", [steps.request(STEP)])
    with pytest.raises(UsageError, match="with other arguments"):
        add_steps.add(world.context, "j-0001", msgspec.structs.replace(STEP, **change), world.ledger)
    assert steps_of(world) == ["sd"]
    assert add_steps.add(world.context, "j-0001", STEP, world.ledger)[1] is False


def test_a_lost_answer_is_not_taken_from_a_step_of_somebody_else() -> None:
    world = World()
    world.run("launch")
    lose(world, (True,), "lost_before")
    foreign = msgspec.structs.replace(steps.request(STEP), args=("false",))
    world.aws.clusters["j-0001"].steps.append(
        FakeStep("s-000101", foreign, world.clock.seconds, 20.0, "COMPLETED")
    )
    assert world.run("sd").exit_code == ExitCode.STEP_FAILED


def test_a_refused_launch_leaves_nothing_to_search_for() -> None:
    world = World()
    world.aws.before_call = lambda at: world.aws.faults.update(
        {at: "refused"} if world.aws.calls[-1] == "RunJobFlow" else {}
    )
    result = world.run()
    assert (result.exit_code, result.failure_class) == (ExitCode.PREFLIGHT, "permission")
    assert world.clock.seconds < 10, "the end of the run waited for a cluster that was refused"
