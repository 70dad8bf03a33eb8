"""`kiln run` while another run or command is at its work: fail, skip, wait, attach; and who is replaced."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from kiln_commands import Commands

from kiln import cli
from kiln.clock import timestamp
from kiln.emr import holding
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import DEAD_SECONDS
from kiln.reporter import QUIET_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    one = Commands()
    one.replace_parts(monkeypatch, tmp_path)
    return one


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[dict[str, Any], str]]:
    """Return the JSON of the last command, and what it wrote for people."""

    def read() -> tuple[dict[str, Any], str]:
        captured = capsys.readouterr()
        return json.loads(captured.out.splitlines()[-1]), captured.err

    return read


def test_a_second_run_fails_and_names_the_first(world: Commands, said: Any) -> None:
    world.enter("r1")
    assert world.kiln("r2") == ExitCode.LOCKED
    document, text = said()
    assert (document["exit_code"], document["exit_name"]) == (17, "locked")
    assert "run r1 of model_building in local is at work" in text
    assert "status model_building --env local --run-id r1" in text
    assert world.aws.clusters == {}


def test_a_second_run_is_skipped_with_one_line(world: Commands, said: Any) -> None:
    world.enter("r1")
    assert world.kiln("r2", "--if-running", "skip") == ExitCode.SKIP
    document, text = said()
    assert (document["exit_code"], document["exit_name"]) == (99, "skip")
    assert text.splitlines() == [f"kiln: {document['message']}"]
    assert world.ledger("r2").read() is None


def test_a_run_is_not_skipped_because_of_its_own_killed_driver(world: Commands) -> None:
    """The driver was killed on another machine, and somebody tries the run again at once."""
    first = world.enter("r1")
    world.execution(first, "r1", "launch").run()
    world.ledger("r1").update(lambda run: setattr(run.drivers[0], "machine", "other"))
    world.clock.seconds += 60
    assert world.kiln("r1", "--if-running", "skip") == ExitCode.LOCKED
    assert world.aws.live() == ["j-0001"]


def test_a_run_is_not_skipped_when_a_dead_one_cannot_be_ended(world: Commands) -> None:
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.clock.seconds += DEAD_SECONDS + 60
    world.aws.never_ends = True
    assert world.kiln("r2", "--if-running", "skip") == ExitCode.LOCKED


def test_the_pipeline_says_what_happens_when_the_command_line_does_not(world: Commands) -> None:
    world.enter("r1")
    world.settings["kiln_if_running"] = "skip"
    assert world.kiln("r2") == ExitCode.SKIP
    assert world.kiln("r2", "--if-running", "fail") == ExitCode.LOCKED


def test_a_second_run_waits_until_the_first_has_ended(world: Commands) -> None:
    first = world.enter("r1")
    world.on_wait(first.leave)
    assert world.kiln("r2", "--if-running", "wait") == 0
    assert len([line for line in world.reported if line.startswith("waiting: ")]) == 1
    assert world.remembered("r2").verdict == "succeeded"


def test_a_run_that_waits_for_long_says_so_every_five_minutes(world: Commands) -> None:
    first, wait = world.enter("r1"), world.clock.wait
    begun, at_work = world.clock.seconds, [first]

    def waited(seconds: float, wake: Any) -> None:
        if at_work and world.clock.seconds - begun > 3.5 * QUIET_SECONDS:
            at_work.pop().leave()
        for one in at_work:
            one.presence.beat_if_due()
        wait(seconds, wake)

    world.clock.wait = waited  # type: ignore[method-assign]  # the test's own clock
    assert world.kiln("r2", "--if-running", "wait") == 0
    waits = [line.partition(":")[0] for line in world.reported if "waiting: " in line]
    assert waits == ["waiting", *["still waiting"] * 3]


def test_a_waiting_run_reports_each_run_that_it_waits_for_once(world: Commands) -> None:
    first = world.enter("r1")

    def third() -> None:
        first.leave()
        other = world.enter("r3")
        world.on_wait(other.leave)

    world.on_wait(third)
    assert world.kiln("r2", "--if-running", "wait") == 0
    waits = [line for line in world.reported if line.startswith("waiting: ")]
    assert ["run r1" in line for line in waits] == [True, False]


def test_a_run_waits_no_longer_than_it_may_take(world: Commands, said: Any) -> None:
    first = world.enter("r1")
    world.settings["kiln_run_timeout_seconds"] = 600
    wait = world.clock.wait

    def waited(seconds: float, wake: Any) -> None:
        wait(seconds, wake)
        first.presence.beat_if_due()

    world.clock.wait = waited  # type: ignore[method-assign]  # the test's own clock
    assert world.kiln("r2", "--if-running", "wait") == ExitCode.DEADLINE
    assert world.clock.seconds == pytest.approx(600, abs=1)
    assert "waited 600 s" in said()[1]


@pytest.mark.parametrize("run_id", ["r1", "r2"])
@pytest.mark.parametrize("policy", ["wait", "attach"])
def test_ctrl_c_while_others_work_ends_nothing_of_theirs(world: Commands, policy: str, run_id: str) -> None:
    """Also with the same run id: the second command has nothing to end."""
    first = world.enter("r1")
    world.execution(first, "r1", "launch").run()
    world.on_wait(lambda: world.contexts[-1].stop.request(signal.SIGINT))
    assert world.kiln(run_id, "--if-running", policy) == ExitCode.INTERRUPTED
    assert world.aws.live() == ["j-0001"]
    assert world.holders() == ["r1"]
    assert [one.id for one in world.remembered("r1").drivers] == [first.presence.id]


def test_a_waiting_run_takes_the_place_of_a_dead_one(world: Commands) -> None:
    world.execution(world.enter("r1"), "r1", "launch").run()
    assert world.kiln("r2", "--if-running", "wait") == 0
    assert world.clock.seconds > DEAD_SECONDS
    assert world.aws.live() == []
    assert world.remembered("r1").attempts[0].end_state == "TERMINATED"


@pytest.mark.parametrize(("outcome", "code"), [("COMPLETED", 0), ("FAILED", 14), ("CANCELLED", 15)])
def test_attach_ends_as_the_other_run_does(world: Commands, said: Any, outcome: str, code: int) -> None:
    """The second one begins to follow while the first is at its step, and sees it end."""
    world.aws.step_outcomes["sd"] = outcome
    first = world.enter("r1")
    execution = world.execution(first, "r1")

    def finish() -> None:
        execution.run()
        first.leave()

    world.on_wait(finish)
    assert world.kiln("r2", "--if-running", "attach") == code
    document, _ = said()
    assert (document["run_id"], document["exit_code"]) == ("r1", code)
    assert document["phases"][0]["name"] == "launch"
    assert len(world.aws.clusters) == 1
    assert world.ledger("r2").read() is None


def test_attach_to_the_same_run_follows_its_other_command(world: Commands, said: Any) -> None:
    first = world.enter("r1")
    execution = world.execution(first, "r1")

    def finish() -> None:
        execution.run()
        first.leave()

    world.on_wait(finish)
    assert world.kiln("r1", "--if-running", "attach") == 0
    assert said()[0]["verdict"] == "succeeded"
    assert len(world.aws.clusters) == 1


def test_attach_to_a_run_whose_driver_dies_says_so(world: Commands, said: Any) -> None:
    world.execution(world.enter("r1"), "r1", "launch").run()
    assert world.kiln("r2", "--if-running", "attach") == ExitCode.LOCKED
    assert ", dead" in said()[1]
    assert world.aws.live() == ["j-0001"]


def end_by_itself(world: Commands) -> None:
    cluster = world.aws.clusters["j-0001"]
    cluster.ended_at, cluster.ended_because = world.clock.seconds, ("INTERNAL_ERROR", "x")


@pytest.mark.parametrize("is_damaged", [False, True], ids=["no verdict", "damaged ledger"])
def test_attach_to_a_run_of_which_nobody_knows_the_end_is_no_success(
    world: Commands, said: Any, is_damaged: object
) -> None:
    """Single actions were done; the cluster ends by itself while it is followed."""
    assert world.kiln("r1", actions=("launch,provision",)) == 0
    if is_damaged:
        world.aws.objects[world.ledger("r1").uri] = b"{damaged"
    world.on_wait(lambda: end_by_itself(world))
    assert world.kiln("r2", "--if-running", "attach") == ExitCode.STEP_FAILED
    verdict = said()[0]["verdict"]
    assert verdict == "unknown" if is_damaged else verdict not in {"succeeded", "running", "no_step"}


def test_attach_is_not_misled_by_a_hold_that_is_over(world: Commands, said: Any) -> None:
    assert world.kiln("r1", actions=("launch",)) == 0
    world.ledger("r1").update(lambda run: setattr(run, "held_until", "2026-11-20T08:00:00Z"))
    world.on_wait(lambda: end_by_itself(world))
    assert world.kiln("r2", "--if-running", "attach") == ExitCode.STEP_FAILED
    assert said()[0]["verdict"] == "failed"


def test_a_held_cluster_without_a_verdict_is_no_success(world: Commands, said: Any) -> None:
    assert world.kiln("r1", actions=("launch",)) == 0
    holding.hold(world.context(), world.aws.describe_cluster("j-0001"), 3600, world.ledger("r1"))
    assert world.kiln("r2", "--if-running", "attach") == ExitCode.STEP_FAILED
    assert said()[0]["verdict"] == "unknown"


@pytest.mark.parametrize("how", ["terminate", "launch"])
def test_a_hold_ends_with_its_cluster(world: Commands, how: str) -> None:
    assert world.kiln("r1", actions=("launch",)) == 0
    holding.hold(world.context(), world.aws.describe_cluster("j-0001"), 3600, world.ledger("r1"))
    assert world.remembered("r1").held_until
    if how == "launch":
        end_by_itself(world)
        world.clock.seconds += 60
    assert world.kiln("r1", actions=(how,)) == 0
    assert world.remembered("r1").held_until is None


def test_the_ledger_has_the_time_at_which_aws_says_that_a_cluster_ended(world: Commands) -> None:
    assert world.kiln("r1", actions=("launch",)) == 0
    end_by_itself(world)
    world.clock.seconds += 3600
    assert world.kiln("r1", actions=("terminate",)) == 0
    ended = world.aws.describe_cluster("j-0001").ended_at
    assert ended is not None
    assert world.remembered("r1").attempts[0].ended_at == timestamp(ended)


def test_a_run_that_was_replaced_ends_with_17_and_leaves_the_cluster(world: Commands, said: Any) -> None:
    def sleep() -> None:
        world.clock.seconds += DEAD_SECONDS + 100
        world.run("r1", "launch")

    world.during("ListSteps", sleep)
    assert world.kiln("r1") == ExitCode.LOCKED
    document, _ = said()
    assert (document["exit_code"], document["verdict"]) == (17, "running")
    assert "another command works on run r1" in document["message"]
    assert world.aws.live() == ["j-0001"]
    assert world.remembered("r1").exit_code == 0


def test_a_run_that_somebody_cancels_ends_as_a_failed_one(world: Commands, said: Any) -> None:
    def cancel() -> None:
        now = world.ledger("r1").now()
        world.ledger("r1").update(lambda run: setattr(run, "cancel_requested_at", now))

    world.aws.step_seconds = 1000
    world.during("ListSteps", cancel)
    assert world.kiln("r1") == ExitCode.STEP_CANCELLED
    assert said()[0]["verdict"] == "cancelled"
    assert world.aws.live() == []
    assert world.remembered("r1").drivers == []


def test_terminate_waits_for_nobody_and_gives_the_lock_back(world: Commands) -> None:
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.settings["kiln_if_running"] = "wait"
    begun = world.clock.seconds
    assert world.kiln("r1", actions=("terminate",)) == 0
    assert world.clock.seconds - begun < DEAD_SECONDS
    assert world.aws.live() == []


@pytest.mark.parametrize("named", [("--run-id", "r1"), ()])
def test_terminate_between_two_attempts_ends_the_run(
    world: Commands, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    """A driver is alive, and its next cluster is not launched yet."""
    monkeypatch.delenv("KILN_RUN_ID", raising=False)
    first = world.enter("r1")
    assert cli.main(["run", "model_building", "terminate", "--env", "local", *named]) == 0
    assert world.execution(first, "r1", "launch").run().exit_code == ExitCode.STEP_CANCELLED
    assert world.aws.clusters == {}
    first.leave()
    assert world.kiln("r1") == 0


def test_the_lock_is_given_back_by_terminate_when_no_command_is_left(world: Commands) -> None:
    assert world.kiln("r1", actions=("launch",)) == 0
    assert world.holders() == ["r1"]
    assert world.kiln("r1", actions=("terminate",)) == 0
    assert world.holders() == []
