"""The commands of tasks as a shell reads them: whatever a value is, it stays a part of one word."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hostile import many, texts
from hypothesis import assume, given

from kiln.arguments import parser
from kiln.identity import NAME
from kiln_airflow import checks, commands

NAMES = ("KILN_ENV", "KILN_DATE", "KILN_BRANCH", "KILN_AGAIN")


def shell(command: str, values: dict[str, str]) -> str:
    """Return the words that scripts/kiln would get, joined by spaces."""
    environment = {
        "KILN_SCRIPT": "/bin/echo",
        "KILN_PIPELINE": "p",
        "KILN_ACTIONS": "sd",
        "KILN_IF_NO_CLUSTER": "launch",
        "KILN_IF_RUNNING": "fail",
        "KILN_IF_COMPLETE": "skip",
    }
    done = subprocess.run(
        ["/bin/bash", "-c", command], env=environment | values, capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode(errors="surrogateescape")


@many
@given(texts())
def test_a_value_is_never_read_as_shell(text: str) -> None:
    assume("\0" not in text)
    assume(text.encode(errors="ignore").decode() == text)
    said = shell(commands.STEP, dict.fromkeys(NAMES, text))
    branch = f" --branch={text}" if text else ""
    again = f" --again-once={text}" if text else ""
    assert said == (
        f"run p sd --env={text} --output=json --date={text}{branch} --if-running=fail --wait-for-driver "
        f"--if-no-cluster=launch --if-complete=skip{again}\n"
    )


@pytest.mark.parametrize("value", ["true", "", "$(false)", "0 == 0", "*", "False", "false "])
def test_only_the_word_false_keeps_a_cluster(value: str) -> None:
    said = shell(commands.TERMINATE, {"KILN_TERMINATE": value, "KILN_ENV": "prod"})
    assert said == "run p sd --env=prod --output=json\n"


@pytest.mark.parametrize("command", [commands.PREFLIGHT, commands.LAUNCH, commands.STEP, commands.TERMINATE])
def test_kiln_takes_the_command_of_each_task(command: str) -> None:
    values = {"KILN_ENV": "prod", "KILN_DATE": "2026-11-20", "KILN_BRANCH": "x", "KILN_AGAIN": "2"}
    words = shell(command, values | {"KILN_NO_WAIT": "yes"}).split()
    arguments = parser.parser().parse_args(words)
    assert (arguments.env, arguments.pipeline, arguments.actions) == ("prod", "p", "sd")


def test_kiln_takes_the_command_that_holds_a_cluster() -> None:
    assert parser.parser().parse_args(["hold", "p", "--env=prod", "--output=json"]).seconds is None


def test_airflow_and_kiln_have_the_same_names() -> None:
    from kiln.settings import names  # noqa: PLC0415  # a private pattern of it

    assert NAME.pattern == checks.NAME
    assert names._BRANCH.pattern == checks.BRANCH


def test_variables_of_a_task_are_templates_that_no_value_is_part_of() -> None:
    one = commands.environment(Path("/checkout"), "p", "sd", if_running="fail")
    assert one["KILN_SCRIPT"] == "/checkout/scripts/kiln"
    assert one["KILN_IF_RUNNING"] == "fail"
    assert {name for name, value in one.items() if "{{" in value} == set(commands._VALUES)
