"""The lock of a pipeline: who may work, whose place is taken, and what a damaged lock leads to."""

from __future__ import annotations

import json
import signal

import msgspec
import pytest
from drivers_world import STATE, Drivers
from hostile import documents, many
from hypothesis import given
from hypothesis import strategies as st

from kiln.emr import holding, reaper
from kiln.emr.sweep import Asked
from kiln.errors import FencedError, InterruptedRunError, LockedError
from kiln.exit_codes import ExitCode
from kiln.ledger.drivers import Work
from kiln.ledger.locks import LockUnreadableError
from kiln.ledger.schema import DEAD_SECONDS, Attempt

LOCK = f"{STATE}/locks/local/model_building.json"
LAUNCH = Work(("launch",), begins_anew=True)


def test_one_run_of_a_pipeline_is_at_work_at_a_time() -> None:
    world = Drivers()
    first = world.enter("r1")
    with pytest.raises(LockedError, match="run r1 of model_building in local is at work: owner ops") as error:
        world.enter("r2")
    assert (error.value.exit_code, error.value.run_id) == (ExitCode.LOCKED, "r1")
    for word in ("status", "resume", "terminate", "reap"):
        assert word in " ".join(error.value.details)
    assert world.ledger("r2").read() is None
    first.leave()
    assert world.holders() == []
    world.enter("r2")
    assert world.holders() == ["r2"]


def test_a_pipeline_may_allow_more_runs_or_any_number() -> None:
    world = Drivers()
    for run_id in ("r1", "r2"):
        world.enter(run_id, most=2)
    with pytest.raises(LockedError):
        world.enter("r3", most=2)
    world.enter("r3", most=0)
    assert world.holders() == ["r1", "r2", "r3"]


def test_a_holder_takes_the_lock_again_whatever_it_is_allowed_then() -> None:
    world = Drivers()
    for run_id in ("r1", "r2"):
        assert world.run(run_id, "launch", most=2).exit_code == 0
    assert world.run("r1", "launch", most=1).exit_code == 0
    assert sorted(world.holders()) == ["r1", "r2"]
    with pytest.raises(LockedError):
        world.run("r3", "launch", most=2)


def test_pipelines_and_environments_have_locks_of_their_own() -> None:
    world = Drivers()
    world.enter("r1")
    for changed in ({"pipeline": "other"}, {"environment": "stage"}):
        arrival = world.arrival("r2")
        other = msgspec.structs.replace(arrival.identity, **changed)
        type(arrival)(**{**vars(arrival), "identity": other}).enter()


def test_a_held_cluster_of_a_dead_run_is_not_ended_before_its_time() -> None:
    """Its driver was killed; a person holds the cluster; the next run comes by its schedule."""
    world = Drivers()
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.clock.seconds += DEAD_SECONDS + 60
    held = holding.hold(world.context(), world.aws.describe_cluster("j-0001"), 3600, world.ledger("r1"))
    with pytest.raises(LockedError, match=f"cluster j-0001 WAITING, held for debugging until {held.until}"):
        world.run("r2")
    assert world.aws.live() == ["j-0001"]
    world.clock.seconds += 3601
    assert world.run("r2").exit_code == 0
    assert world.remembered("r1").attempts[0].end_state == "TERMINATED"


def test_a_single_action_does_not_hide_that_the_owner_of_the_cluster_is_dead() -> None:
    world = Drivers()
    first = world.enter("r1")
    world.execution(first, "r1", "launch").run()
    world.clock.seconds += DEAD_SECONDS + 60
    assert world.run("r1", "provision").exit_code == 0
    (row,) = reaper.look(world.context(), Asked("local", STATE, 600)).rows.values()
    assert (row.action, row.reason) == ("end", "orphaned")
    # Should the dead driver be a stopped process: it has lost its entry.
    with pytest.raises(FencedError):
        first.ledger.intend(lambda _: None)
    assert world.run("r2").exit_code == 0
    assert world.remembered("r1").attempts[0].end_state == "TERMINATED"
    assert world.remembered("r1").drivers == []


def test_a_whole_run_gives_the_lock_back_when_its_cluster_has_ended() -> None:
    world = Drivers()
    assert world.run("r1").exit_code == 0
    assert world.holders() == []
    assert world.run("r2").exit_code == 0


def test_a_run_whose_cluster_was_not_ended_keeps_the_lock() -> None:
    world = Drivers()
    world.aws.never_ends = True
    assert world.run("r1").exit_code == ExitCode.NOT_TERMINATED
    assert world.holders() == ["r1"]


def test_actions_one_by_one_hold_the_lock_until_the_cluster_ends() -> None:
    world = Drivers()
    for actions in ("launch,provision,deploy", "sd", "cdd"):
        assert world.run("r1", actions).exit_code == 0
        with pytest.raises(LockedError, match="no command works on it now, cluster j-0001"):
            world.run("r2", "launch")
    assert world.run("r1", "cdd,terminate").exit_code == 0
    assert world.run("r2", "launch").exit_code == 0


def test_a_launch_that_failed_frees_the_pipeline() -> None:
    world = Drivers()
    world.aws.boot_fails = ("BOOTSTRAP_FAILURE", "exit 1")
    assert world.run("r1", "launch").exit_code == ExitCode.LAUNCH
    world.aws.boot_fails = None
    assert world.run("r2", "launch").exit_code == 0


def test_a_cluster_that_nobody_works_on_any_more_frees_the_pipeline_when_it_ends() -> None:
    """The idle time-out ends it, say."""
    world = Drivers()
    world.run("r1", "launch")
    world.aws.terminate_cluster("j-0001")
    world.clock.seconds += 60
    assert world.run("r2", "launch").exit_code == 0
    assert world.holders() == ["r2"]


def test_two_steps_of_a_run_work_side_by_side_as_two_commands() -> None:
    world = Drivers()
    world.run("r1", "launch,provision,deploy")
    codes: list[int] = []
    world.during("ListSteps", lambda: codes.append(world.run("r1", "cdd").exit_code))
    assert world.run("r1", "sd").exit_code == 0
    assert codes == [0]
    assert [len(one.steps) for one in world.aws.clusters.values()] == [2]


def test_a_second_whole_run_with_one_id_is_refused_and_ends_nothing() -> None:
    world = Drivers()
    refused: list[LockedError] = []

    def second() -> None:
        with pytest.raises(LockedError, match="another command works on run r1") as error:
            world.run("r1")
        refused.append(error.value)

    world.during("ListSteps", second)
    assert world.run("r1").exit_code == 0
    assert refused[0].run_id == "r1"
    assert len(world.aws.clusters) == 1


def test_a_dead_run_is_replaced_after_its_cluster_has_ended() -> None:
    world = Drivers()
    dead = world.enter("r1")
    world.execution(dead, "r1", "launch").run()
    world.clock.seconds += DEAD_SECONDS - 60
    with pytest.raises(LockedError):
        world.enter("r2")
    world.clock.seconds += 61
    second = world.enter("r2")
    assert world.aws.state(world.aws.clusters["j-0001"]) == "TERMINATED"
    assert world.holders() == ["r2"]
    before = world.remembered("r1")
    assert before.drivers == []
    assert before.attempts[0].end_state == "TERMINATED"
    assert {"lock_taken_over", "dead_driver_removed"} <= {one.kind for one in before.events}
    assert "lock_taken_over" in {one.kind for one in world.remembered("r2").events}
    # The first one was only stopped, and goes on.
    with pytest.raises(FencedError):
        dead.context.effects.terminate_cluster("j-0001")
    assert second.lost is None


def test_a_driver_that_goes_on_after_it_was_replaced_ends_no_cluster_and_begins_nothing() -> None:
    world = Drivers()
    stopped = world.enter("r1")
    execution = world.execution(stopped, "r1")

    def sleep() -> None:
        world.clock.seconds += DEAD_SECONDS + 100
        world.run("r1", "launch")

    world.during("ListSteps", sleep)
    execution.run()
    assert isinstance(stopped.lost, FencedError)
    assert world.aws.live() == ["j-0001"]
    assert [one.request.name for one in world.aws.clusters["j-0001"].steps] == ["sd"]
    assert world.remembered("r1").verdict == "running"


def test_a_launch_that_comes_after_the_driver_was_replaced_is_ended() -> None:
    world = Drivers()
    stopped = world.enter("r1")

    def sleep() -> None:
        world.clock.seconds += DEAD_SECONDS + 100
        world.enter("r2")

    world.during("RunJobFlow", sleep)
    world.execution(stopped, "r1").run()
    world.clock.seconds += 60
    assert world.aws.live() == []


def test_a_launch_without_an_outcome_keeps_the_lock_until_it_would_have_shown_up() -> None:
    world = Drivers()
    at_work = world.enter("r1", LAUNCH)
    ledger = world.ledger("r1")
    ledger.update(lambda run: run.attempts.append(Attempt(intent_at=ledger.now())))
    at_work.presence.leave()
    with pytest.raises(LockedError):
        world.enter("r2")
    world.clock.seconds += 181
    world.enter("r2")


def test_a_cluster_that_aws_does_not_end_keeps_its_lock() -> None:
    world = Drivers()
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.aws.never_ends = True
    world.clock.seconds += DEAD_SECONDS + 1
    with pytest.raises(LockedError, match="cannot be taken over: AWS did not confirm") as error:
        world.enter("r2")
    assert "aws emr terminate-clusters --cluster-ids j-0001" in error.value.fix
    assert world.holders() == ["r1"]
    world.aws.never_ends = False
    world.clock.seconds += DEAD_SECONDS + 1
    world.enter("r2")
    assert world.holders() == ["r2"]


def test_a_take_over_that_was_interrupted_is_done_by_the_next_run() -> None:
    world = Drivers()
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.clock.seconds += DEAD_SECONDS + 1
    arrival = world.arrival("r2")
    world.during("TerminateJobFlows", lambda: arrival.context.stop.request(signal.SIGINT))
    with pytest.raises(InterruptedRunError):
        arrival.enter()
    world.clock.seconds += DEAD_SECONDS + 1
    world.enter("r3")
    assert world.holders() == ["r3"]
    assert world.remembered("r1").attempts[0].end_state == "TERMINATED"


def test_a_lock_that_was_removed_does_not_hide_a_live_cluster() -> None:
    world = Drivers()
    world.run("r1", "launch")
    del world.aws.objects[LOCK]
    with pytest.raises(LockedError, match="cluster j-0001"):
        world.enter("r2")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"version": 2}', b'{"environment":"prod","pipeline":"x"}']
)
def test_a_damaged_or_foreign_lock_is_reported_and_left_alone(body: bytes) -> None:
    world = Drivers()
    world.run("r1", "launch")
    world.aws.objects[LOCK] = body
    calls = len(world.aws.calls)
    with pytest.raises(LockUnreadableError, match="the lock s3://state/kiln/locks") as error:
        world.enter("r2")
    assert "stuck_lock.md" in error.value.fix
    assert set(world.aws.calls[calls:]) == {"GetObject"}
    assert world.aws.objects[LOCK] == body
    # Neither the end of the run nor its other actions need the lock.
    assert world.run("r1", "sd,terminate").exit_code == 0
    assert world.aws.objects[LOCK] == body


def lock_of_r1() -> dict[str, object]:
    holder = {"run_id": "r1", "taken_at": "2026-11-21T07:30:00Z"}
    return {"environment": "local", "pipeline": "model_building", "holders": [holder]}


@many
@given(st.sampled_from(["holders", "version", "environment", "pipeline", "x"]), documents())
def test_no_content_of_a_lock_has_an_effect_on_a_cluster(key: str, value: object) -> None:
    world = Drivers()
    try:
        world.aws.objects[LOCK] = json.dumps(lock_of_r1() | {key: value}).encode()
    except (ValueError, UnicodeEncodeError):
        return
    try:
        world.enter("r2")
    except (LockUnreadableError, LockedError):
        assert world.ledger("r2").read() is None
    assert {"TerminateJobFlows", "RunJobFlow", "SetTerminationProtection"}.isdisjoint(world.aws.calls)


def begin_in_the_middle(world: Drivers, call: int, run_ids: list[str]) -> list[str]:
    """Let each run begin in the middle of a call of the one before; return those that work."""
    if not run_ids:
        return []
    first, *others = run_ids
    at, working = len(world.aws.calls) + call, []

    def before(now: int) -> None:
        if now == at:
            working.extend(begin_in_the_middle(world, call, others))

    world.aws.before_call = before
    try:
        world.enter(first)
    except LockedError:
        return working
    return [*working, first]


@pytest.mark.parametrize("callers", range(2, 9))
def test_of_many_callers_at_the_same_moment_one_works(callers: int) -> None:
    alone = Drivers()
    alone.enter("r0")
    for call in range(len(alone.aws.calls)):
        world = Drivers()
        working = begin_in_the_middle(world, call, [f"r{number}" for number in range(callers)])
        assert len(working) == 1, call
        assert world.holders() == working
