"""`kiln run PIPELINE preflight`, --branch and --wait-for-driver: what a task in Airflow asks for."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hostile import COMMANDS, many, texts
from hypothesis import given
from kiln_commands import Commands
from run_world import STEPS

from kiln.arguments import parser
from kiln.commands import run
from kiln.errors import PreflightError, UsageError
from kiln.exit_codes import ExitCode
from kiln.runs import preflight, selection
from kiln.settings import names

PREFLIGHT = ("preflight",)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    one = Commands()
    one.replace_parts(monkeypatch, tmp_path)
    return one


def test_preflight_makes_the_checks_of_a_whole_run_and_has_no_effect(
    world: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checked: list[Any] = []
    monkeypatch.setattr(preflight, "check", lambda _, selected: checked.append(selected))
    # Another run is at work: that is the launch's to see.
    world.enter("r1")
    before = dict(world.aws.objects)
    assert world.kiln("r2", actions=PREFLIGHT) == ExitCode.OK
    # The pipeline names nothing to deploy.
    (selected,) = checked
    assert selected.names == ["launch", "provision", *(step.name for step in STEPS), "terminate"]
    assert world.aws.objects == before
    assert world.aws.clusters == {}
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["verdict"], document["run_id"]) == (0, "no_step", "r2")
    # Where the launch will write it.
    assert document["ledger"] == world.ledger("r2").uri


def test_what_is_missing_is_the_exit_code_of_preflight(
    world: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: Any) -> None:
        raise PreflightError("no bucket", fix="make it")

    monkeypatch.setattr(preflight, "check", missing)
    assert world.kiln("r2", actions=PREFLIGHT) == ExitCode.PREFLIGHT
    assert capsys.readouterr().err.splitlines() == ["kiln: no bucket", "  fix: make it"]


@pytest.mark.parametrize("actions", ["preflight,launch", "launch,preflight", "preflight,bake_image"])
def test_preflight_is_the_only_action_of_its_command(actions: str) -> None:
    with pytest.raises(UsageError, match="it is the only action of its command"):
        selection.make(actions.split(","), STEPS)


def test_a_branch_stands_for_the_setting() -> None:
    arguments = parser.parser().parse_args(["run", "p", "--env", "local", "--branch", "feature/x-1"])
    question = run.question(arguments, Path(), [])
    assert question.extra == ('{"model_repo_branch": "feature/x-1"}',)


@many
@given(texts())
def test_a_branch_is_only_ever_a_name(text: str) -> None:
    """Ansible evaluates templates in -e, and a shell reads what stands in a command."""
    with suppress(UsageError):
        name = names.check_branch(text)
        assert name.isascii()
        assert not set(name) & set("{}%#$`\"' \n;|&<>()\\*?[]~!,")
        assert not name.startswith(("-", "@", "."))


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_no_branch(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        names.check_branch(text)


def test_a_retry_waits_for_the_command_that_its_first_try_left(world: Commands) -> None:
    """The worker of Airflow was killed, and its command lives: it goes on in a session of its own."""
    first = world.enter("r1")
    world.execution(first, "r1", "launch").run()
    world.on_wait(first.leave)
    assert world.kiln("r1", actions=("launch",)) == ExitCode.LOCKED
    assert world.kiln("r1", "--wait-for-driver", actions=("launch",)) == ExitCode.OK
    assert world.aws.live() == ["j-0001"]
    assert len([line for line in world.reported if line.startswith("waiting: ")]) == 1


@pytest.mark.parametrize(("policy", "code"), [("fail", ExitCode.LOCKED), ("skip", ExitCode.SKIP)])
def test_waiting_for_a_driver_is_not_waiting_for_another_run(
    world: Commands, policy: str, code: ExitCode
) -> None:
    world.enter("r1")
    assert world.kiln("r2", "--if-running", policy, "--wait-for-driver", actions=("launch",)) == code


def test_another_run_that_comes_while_a_driver_is_waited_for_counts_by_the_policy(world: Commands) -> None:
    first = world.enter("r1")

    def replaced() -> None:
        first.leave()
        world.enter("r3")

    world.on_wait(replaced)
    options = ("--wait-for-driver", "--if-running", "skip")
    assert world.kiln("r1", *options, actions=("launch",)) == ExitCode.SKIP
