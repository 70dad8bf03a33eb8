"""`kiln run --if-complete skip`: exit 99 when every step that was asked for was complete before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from kiln_commands import Commands

from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

SKIP = ("--if-complete", "skip")
LAUNCH = ("launch,provision,deploy",)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    one = Commands()
    one.replace_parts(monkeypatch, tmp_path)
    return one


@pytest.fixture
def complete(world: Commands) -> Commands:
    """A live cluster on which the step sd is complete."""
    assert world.kiln("r1", actions=LAUNCH) == ExitCode.OK
    assert world.kiln("r1", *SKIP, actions=("sd",)) == ExitCode.OK
    return world


def test_a_step_that_is_complete_is_skipped_only_when_that_was_asked_for(
    complete: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete.kiln("r1", actions=("sd",)) == ExitCode.OK
    capsys.readouterr()
    assert complete.kiln("r1", *SKIP, actions=("sd",)) == ExitCode.SKIP
    captured = capsys.readouterr()
    document = json.loads(captured.out.splitlines()[-1])
    assert (document["exit_code"], document["exit_name"]) == (99, "skip")
    assert [(step["name"], step["state"]) for step in document["steps"]] == [("sd", "COMPLETED")]
    assert "run r1 of model_building: skipped" in captured.err
    assert "all steps that were asked for are complete" in captured.err
    assert len(complete.aws.clusters["j-0001"].steps) == 1


def test_what_is_left_to_do_is_done_and_succeeds(complete: Commands) -> None:
    assert complete.kiln("r1", *SKIP, actions=("sd,cdd",)) == ExitCode.OK
    assert complete.kiln("r1", *SKIP, "--again-once", "2", actions=("sd",)) == ExitCode.OK
    assert complete.kiln("r1", *SKIP, "--again-once", "2", actions=("sd",)) == ExitCode.SKIP


def test_a_retry_that_waits_for_the_step_of_its_first_try_is_not_skipped(world: Commands) -> None:
    assert world.kiln("r1", actions=LAUNCH) == ExitCode.OK
    assert world.kiln("r1", "--no-wait", actions=("sd",)) == ExitCode.OK
    assert world.kiln("r1", *SKIP, actions=("sd",)) == ExitCode.OK
    assert len(world.aws.clusters["j-0001"].steps) == 1


def test_a_whole_run_that_is_complete_is_skipped_and_its_ledger_keeps_the_outcome(world: Commands) -> None:
    assert world.kiln("r1", *SKIP) == ExitCode.OK
    assert world.kiln("r1", *SKIP) == ExitCode.SKIP
    assert world.kiln("r1") == ExitCode.OK
    kept = world.remembered("r1")
    assert (kept.verdict, kept.exit_code) == ("succeeded", 0)
    assert len(world.aws.clusters) == 1


def test_a_pipeline_without_steps_has_nothing_that_could_be_complete(world: Commands) -> None:
    world.settings["steps"] = ()
    with_option = [world.kiln("r1", *SKIP) for _ in range(2)]
    assert with_option == [world.kiln("r2") for _ in range(2)]
    assert ExitCode.SKIP not in with_option


@pytest.mark.parametrize("words", [("launch,sd", *SKIP), ("sd", "--no-add", *SKIP)])
def test_the_option_is_refused_where_it_says_nothing(world: Commands, words: tuple[str, ...]) -> None:
    action, *more = words
    assert world.kiln("r1", *more, actions=(action,)) == ExitCode.USAGE
    assert world.aws.clusters == {}
