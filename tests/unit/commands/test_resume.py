"""`kiln resume`, and the commands of its page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from kiln_commands import Commands
from run_world import STEPS

from kiln import cli
from kiln.commands import shared
from kiln.exit_codes import ExitCode
from kiln.settings import inventories

PAGE = Path(__file__).resolve().parents[3] / "docs/operations/resume.md"
COMMANDS = [
    line.replace("prod", "local")
    for block in re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    one = Commands()
    one.replace_parts(monkeypatch, tmp_path)
    monkeypatch.setattr(inventories, "pipelines", lambda *_: ["model_building"])
    monkeypatch.setattr(shared, "context_of", one.new_context)
    return one


def fail(world: Commands, run_id: str = "nightly-7") -> None:
    world.aws.step_outcomes["cdd"] = "FAILED"
    assert world.kiln(run_id) == ExitCode.STEP_FAILED
    world.aws.step_outcomes.clear()


def resume(*more: str) -> int:
    return cli.main(["resume", "model_building", "--env", "local", *more])


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_goes_on_with_a_failed_run(world: Commands, line: str) -> None:
    fail(world)
    _, *arguments = shlex.split(line)
    assert cli.main(arguments) == 0
    if " resume " in line:
        assert world.remembered("nightly-7").verdict == "succeeded"
        assert world.aws.live() == []


def test_without_a_run_id_the_latest_run_is_meant(world: Commands) -> None:
    fail(world, "nightly-8")
    assert resume() == 0
    assert world.remembered("nightly-8").verdict == "succeeded"


def test_what_is_skipped_or_run_is_said_with_its_reason(
    world: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(world)
    capsys.readouterr()
    assert resume("--run-id", "nightly-7") == 0
    shown = capsys.readouterr().err
    assert "step sd: runs: complete as s-000101 on j-0001 with the same identity, and cdd needs it" in shown
    assert "step cdd: runs: FAILED as s-000102 on j-0001" in shown


def test_a_run_that_never_was_is_refused(world: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume("--run-id", "never-was") == ExitCode.CLUSTER_NOT_FOUND
    assert "never-was" in capsys.readouterr().err
    assert world.aws.clusters == {}


def test_a_run_whose_ledger_is_damaged_is_refused_and_launches_nothing(world: Commands) -> None:
    fail(world)
    uri = next(one for one in world.aws.objects if one.endswith("/nightly-7.json"))
    world.aws.objects[uri] = b"{broken"
    assert resume("--run-id", "nightly-7") == ExitCode.CLUSTER_NOT_FOUND
    assert list(world.aws.clusters) == ["j-0001"]


def test_a_cancelled_run_can_be_resumed(world: Commands) -> None:
    fail(world)
    assert cli.main(["cancel", "model_building", "--env", "local", "--run-id", "nightly-7"]) == 0
    assert resume("--run-id", "nightly-7") == 0
    assert [one.name for one in STEPS] == ["sd", "cdd"]
    assert world.remembered("nightly-7").verdict == "succeeded"
