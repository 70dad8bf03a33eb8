"""What `kiln run`, `notify`, `hold` and `reap` send, to a topic of an AWS in memory."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fakes import START
from kiln_commands import Commands
from run_world import LIMITS

from kiln import cli
from kiln.commands import shared
from kiln.errors import ThrottledError
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import DEAD_SECONDS, Phase
from kiln.settings import inventories
from kiln.settings.notification_model import DEFAULT_EVENTS, Notification

if TYPE_CHECKING:
    from pathlib import Path

ARN = "arn:aws:sns:us-east-1:123456789012:kiln-notifications-local"


def topic(*on: Any) -> Notification:
    return Notification(name="topic", kind="sns", topic_arn=ARN, on=on or DEFAULT_EVENTS)


class World(Commands):
    """Commands whose pipeline tells a topic."""

    def __init__(self) -> None:
        super().__init__()
        self.settings |= {"kiln_notifications": (topic(),), "kiln_reap_grace_seconds": 900}

    @property
    def subjects(self) -> list[str]:
        return [
            subject.removeprefix("[kiln] model_building in local: ") for _, subject, _ in self.aws.published
        ]

    @property
    def texts(self) -> list[str]:
        return [text for _, _, text in self.aws.published]

    def airflow(self, monkeypatch: pytest.MonkeyPatch, run_id: str, task: str, number: int) -> None:
        """Be in BashOperator's environment."""
        variables = {
            "AIRFLOW_CTX_DAG_RUN_ID": run_id,
            "AIRFLOW_CTX_TASK_ID": task,
            "AIRFLOW_CTX_TRY_NUMBER": str(number),
            "KILN_TASK_TRIES": "2",
            "KILN_LOG_URL": "https://airflow.example.com/log?x=1&y=2",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    def notify(self, *more: str) -> int:
        return cli.main(["notify", "model_building", "--env", "local", *more])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    one = World()
    one.replace_parts(monkeypatch, tmp_path)
    monkeypatch.setattr(shared, "context_of", one.new_context)
    monkeypatch.setattr(inventories, "pipelines", lambda *_: ["model_building"])
    return one


def test_a_failed_run_sends_its_cause_once_after_its_cluster_has_ended(world: World) -> None:
    world.aws.step_outcomes = {"cdd": "FAILED"}
    live: list[list[str]] = []
    world.aws.before_call = lambda at: (
        live.append(world.aws.live()) if world.aws.calls[at] == "Publish" else None
    )
    assert world.kiln("r1") == ExitCode.STEP_FAILED
    assert world.subjects == ["the run failed"]
    assert live == [[]]
    (text,) = world.texts
    assert text.splitlines()[0] == "the run failed"
    assert "step cdd" in text.splitlines()[1]
    for part in ("Cluster:   j-0001, TERMINATED", "kiln diagnose", "kiln logs", "kiln resume", "s3://logs/"):
        assert part in text, part


def test_a_run_that_succeeds_sends_nothing_unless_somebody_asks_for_it(world: World) -> None:
    assert world.kiln("r1") == 0
    assert world.subjects == []
    world.settings["kiln_notifications"] = (topic("succeeded"),)
    assert world.kiln("r2") == 0
    assert world.subjects == ["the run succeeded"]


def test_a_held_cluster_is_said_with_how_to_reach_and_end_it(world: World) -> None:
    world.aws.step_outcomes = {"cdd": "FAILED"}
    world.settings["kiln_after_failure"] = "keep"
    world.kiln("r1")
    assert world.subjects == ["the run: its cluster is kept"]
    for part in (
        "Kept to:   2026-11-21T08:",
        "kiln ssh model_building",
        "model_building terminate",
        "step cdd",
    ):
        assert part in world.texts[0], part


def test_an_end_that_is_not_confirmed_is_said_with_the_command_that_ends_it_first(world: World) -> None:
    world.aws.never_ends = True
    assert world.kiln("r1") == ExitCode.NOT_TERMINATED
    assert world.subjects == ["the run: the end of its cluster is not confirmed"]
    commands = world.texts[0].partition("Commands:\n")[2].splitlines()
    assert "model_building terminate" in commands[0]
    world.kiln("r1", actions=("terminate",))
    assert len(world.subjects) == 2


def test_a_run_that_is_refused_is_said_where_no_person_sees_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.enter("r1")
    assert world.kiln("r2", "--if-running", "skip") == ExitCode.SKIP
    assert world.subjects == []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert world.kiln("r2") == ExitCode.LOCKED
    assert world.subjects == []
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert world.kiln("r2") == ExitCode.LOCKED
    assert world.subjects == ["the run failed"]
    assert "run r1 of model_building in local is at work" in world.texts[0]
    assert world.ledger("r2").read() is None


def test_in_airflow_a_try_that_is_not_the_last_is_a_retry_and_the_last_one_a_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.aws.step_outcomes = {"cdd": "FAILED"}
    world.kiln("r1", actions=("launch",))
    for number in (1, 2):
        world.airflow(monkeypatch, "r1", "cdd", number)
        world.kiln("r1", "--again", actions=("cdd",))
    assert world.subjects == ["task cdd failed, and is tried again", "task cdd failed"]
    assert "Task:      cdd, try 2 of 2" in world.texts[1]
    assert "https://airflow.example.com/log?x=1&y=2" in world.texts[1]


def test_the_callback_sends_only_what_the_command_could_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.aws.step_outcomes = {"cdd": "FAILED"}
    world.kiln("r1", actions=("launch",))
    world.airflow(monkeypatch, "r1", "cdd", 1)
    world.kiln("r1", actions=("cdd",))
    sent = len(world.subjects)
    callback = ("--run-id", "r1", "--task", "cdd")
    assert world.notify(*callback, "--event", "retry", "--try", "1") == 0
    assert len(world.subjects) == sent
    # The second try was killed: nobody has said anything.
    assert world.notify(*callback, "--event", "failed", "--try", "2") == 0
    assert world.subjects[sent:] == ["task cdd failed"]
    assert world.notify(*callback, "--event", "failed", "--try", "2") == 0
    assert len(world.subjects) == sent + 1


def test_a_task_that_was_killed_before_it_began_anything_is_said_too(world: World) -> None:
    assert world.notify("--run-id", "r9", "--event", "failed", "--task", "launch", "--try", "1") == 0
    assert world.texts[0].splitlines()[:2] == [
        "task launch failed",
        "  no cluster and no ledger of this run: the task failed before it began anything",
    ]


def test_a_test_message_goes_to_every_row_each_time(world: World) -> None:
    world.settings["kiln_notifications"] = (topic("slow"),)
    for _ in range(2):
        assert world.notify("--event", "test") == 0
    assert world.subjects == ["kiln notify: a test message"] * 2


def test_a_message_that_cannot_be_sent_is_exit_10_of_notify_only(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.settings["kiln_notifications"] = (
        Notification(name="chat", kind="webhook", url="vault_chat_url"),
        topic(),
    )
    assert world.notify("--event", "test") == ExitCode.PREFLIGHT
    assert "notification to chat (webhook): not sent: the vault's password file" in capsys.readouterr().err
    assert world.subjects == ["kiln notify: a test message"]
    world.aws.step_outcomes = {"cdd": "FAILED"}
    assert world.kiln("r1") == ExitCode.STEP_FAILED


@pytest.mark.parametrize("fault", ["throttled", "lost_before", "lost_after", "refused", "bug"])
def test_no_fault_while_something_is_sent_changes_the_outcome(
    world: World, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.aws.step_outcomes = {"cdd": "FAILED"}
    world.kiln("r1")
    last = len(world.aws.calls)
    # The earlier runs, the claim, the message, and its record.
    for call in range(last - 6, last):
        disturbed = World()
        disturbed.replace_parts(monkeypatch, tmp_path)
        disturbed.aws.step_outcomes = {"cdd": "FAILED"}
        disturbed.aws.faults = {call: fault}
        assert disturbed.kiln("r1") == ExitCode.STEP_FAILED
        assert len(disturbed.subjects) <= 1
        assert disturbed.aws.live() == []


def remember(world: World, run_id: str, seconds: float) -> None:
    """Let an earlier run have taken this long for its steps."""
    ended_at = START.isoformat()
    entry = Phase(name="sd", status="ok", seconds=seconds, changed=True, ended_at=ended_at)
    world.ledger(run_id).update(lambda run: run.phases.append(entry))


def test_a_command_that_takes_twice_as_long_as_usual_warns_once_and_goes_on(world: World) -> None:
    for number, seconds in enumerate((100, 110, 5000)):
        remember(world, f"old{number}", seconds)
    world.kiln("r1", actions=("launch",))
    world.aws.step_seconds = 210.0
    assert world.kiln("r1", actions=("sd",)) == 0
    assert world.subjects == []
    world.aws.step_seconds = 500.0
    assert world.kiln("r1", "--again", actions=("sd",)) == 0
    assert world.subjects == ["sd takes twice as long as usual"]
    assert "usually 1:50, the median of 3 earlier ones" in world.texts[0]


def test_too_few_earlier_runs_warn_of_nothing(world: World) -> None:
    for number in range(2):
        remember(world, f"old{number}", 10)
    world.kiln("r1", actions=("launch",))
    world.aws.step_seconds = LIMITS.step_seconds / 2
    assert world.kiln("r1", actions=("sd",)) == 0
    assert world.subjects == []


def test_the_reaper_says_what_a_dead_driver_could_not(world: World) -> None:
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.ledger("r1").update(lambda run: setattr(run.drivers[0], "machine", "other"))
    world.clock.seconds += DEAD_SECONDS + 60
    for _ in range(2):
        assert cli.main(["reap", "--env", "local", "--yes"]) == 0
    assert world.subjects == ["the run: what was left running was ended"]
    assert "orphaned: driver" in world.texts[0].splitlines()[1]
    assert "cluster j-0001" in world.texts[0]


def test_who_asks_for_failures_only_gets_that_of_the_dead_driver(world: World) -> None:
    world.settings["kiln_notifications"] = (topic("failed"),)
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.ledger("r1").update(lambda run: setattr(run.drivers[0], "machine", "other"))
    world.clock.seconds += DEAD_SECONDS + 60
    assert cli.main(["reap", "--env", "local", "--yes"]) == 0
    assert world.subjects == ["the run failed"]


def test_a_dry_run_of_the_reaper_sends_nothing(world: World) -> None:
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.ledger("r1").update(lambda run: setattr(run.drivers[0], "machine", "other"))
    world.clock.seconds += DEAD_SECONDS + 60
    assert cli.main(["reap", "--env", "local"]) == 0
    assert world.subjects == []


def test_a_cluster_that_airflow_keeps_is_said_and_one_that_a_person_keeps_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kiln("r1", actions=("launch",))
    hold = ["hold", "model_building", "--env", "local", "--run-id", "r1", "--for", "2h"]
    assert cli.main(hold) == 0
    assert world.subjects == []
    world.airflow(monkeypatch, "r1", "terminate", 1)
    for _ in range(2):
        assert cli.main(hold) == 0
    assert world.subjects == ["the run: its cluster is kept"]
    assert "model_building terminate" in world.texts[0]


def test_the_reaper_says_once_that_a_driver_died_whose_cluster_has_ended_by_itself(world: World) -> None:
    world.execution(world.enter("r1"), "r1", "launch").run()
    world.ledger("r1").update(lambda run: setattr(run.drivers[0], "machine", "other"))
    world.aws.terminate_cluster("j-0001")
    world.clock.seconds += DEAD_SECONDS + 60
    for _ in range(2):
        assert cli.main(["reap", "--env", "local", "--yes"]) == 0
    assert world.subjects == ["the run failed"]
    assert "has died; it was last seen at" in world.texts[0].splitlines()[1]


def test_the_reaper_repeats_no_failure_that_the_driver_has_sent(world: World) -> None:
    world.aws.step_outcomes = {"cdd": "FAILED"}
    world.kiln("r1")
    # It was killed after that, and before it could leave the run.
    world.enter("r1")
    world.ledger("r1").update(lambda run: setattr(run.drivers[0], "machine", "other"))
    world.ledger("r1").update(lambda run: setattr(run.drivers[0], "started_at", run.created_at))
    world.clock.seconds += DEAD_SECONDS + 60
    assert cli.main(["reap", "--env", "local", "--yes"]) == 0
    assert world.subjects == ["the run failed"]


def test_the_reaper_says_nothing_about_runs_whose_driver_works_or_has_succeeded(world: World) -> None:
    world.kiln("r1")
    world.enter("r2")
    assert cli.main(["reap", "--env", "local", "--yes"]) == 0
    assert world.subjects == []


@pytest.mark.parametrize(("is_stopped", "least", "most"), [(False, 30, 60), (True, 0, 12)])
def test_a_busy_topic_holds_the_command_up_for_a_minute_and_after_a_signal_for_seconds(
    world: World, *, is_stopped: bool, least: float, most: float
) -> None:
    """Airflow waits for a minute after SIGTERM before it kills a task."""
    began: list[float] = []

    def busy(call: int) -> None:
        if world.aws.calls[call] == "AddJobFlowSteps" and is_stopped:
            world.contexts[0].stop.request(signal.SIGTERM)
        if world.aws.calls[call] == "Publish":
            began.append(world.clock.seconds)
            raise ThrottledError("Rate exceeded")

    world.aws.step_outcomes = {"cdd": "FAILED"}
    world.aws.before_call = busy
    code = world.kiln("r1")
    assert code == (ExitCode.TERMINATED if is_stopped else ExitCode.STEP_FAILED)
    assert world.aws.live() == []
    assert least <= world.clock.seconds - began[0] <= most


@pytest.mark.parametrize(
    "command",
    [
        ["run", "model_building", "cdd", "--env", "local", "--run-id", "r1"],
        ["hold", "model_building", "--env", "local", "--run-id", "r1", "--for", "2h", "-o", "json"],
        ["notify", "model_building", "--env", "local", "--event", "test", "-o", "json"],
        ["reap", "--env", "local", "--yes", "-o", "json"],
    ],
)
def test_the_last_line_of_both_streams_together_is_the_json(
    world: World, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """BashOperator reads stderr and stdout as one, and takes the last line as XCom."""
    world.aws.step_outcomes = {"cdd": "FAILED"}
    world.kiln("r1", actions=("launch",))
    if command[0] == "reap":
        world.clock.seconds += 10_000
    world.airflow(monkeypatch, "r1", "task", 1)
    capsys.readouterr()
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    cli.main(command)
    lines = capsys.readouterr().out.splitlines()
    assert len(world.subjects) == 1
    assert any(": sent to topic (sns)" in line for line in lines[:-1])
    assert json.loads(lines[-1])["kind"] == command[0]
