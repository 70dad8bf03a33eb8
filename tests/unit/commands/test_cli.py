from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kiln import cli
from kiln.arguments import parser
from kiln.display import failure

CHECKOUT = Path(__file__).resolve().parents[3]
KILN = CHECKOUT / "scripts/kiln"


def kiln(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KILN_"))}
    return subprocess.run(
        [KILN, *arguments], check=False, capture_output=True, text=True, env=kept | environment, timeout=180
    )


def test_help_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys; from kiln import cli; cli.parser.parser(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"boto3", "botocore", "rich", "msgspec", "yaml", "ansible_runner"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "modle_building", "--env", "local"), "did you mean model_building?"),
        (("run", "model_building", "--env", "locla"), "did you mean local?"),
        (("run", "model_building"), "KILN_ENV"),
        (
            ("run", "model_building", "--env", "local", "-e", "emr_cluster_core_cuont=2"),
            "emr_cluster_core_count?",
        ),
        (("run", "model_building", "--env", "local", "-e", "emr_cluster_core_count=two"), "'two'"),
        (("run", "model_building", "--env", "local", "--date", "yesterday"), "YYYY-MM-DD"),
        (("run", "model_building", "--env", "local", "--run-id", "a b"), "a b"),
        (("run", "model_building", "--env", "local", "--date", "20261120"), "YYYY-MM-DD"),
        (("run", "model_building", "--env", "local", "--run-id", ""), "run id ''"),
        (("run", "model_building", "", "--env", "local"), "no action in it"),
        (("run", "model_building", "--env", ""), "no environment"),
        (("run", "model_building", "--env", "local", "-e", "@missing.yml"), "missing.yml"),
        (("run", "model_building", "--env", "local", "-e", '{"a": '), "not valid YAML"),
        (("run", "model_building", "--env", "local", "-e", "[1, 2]"), "a list"),
        (("run",), "PIPELINE"),
        (("fly", "model_building"), "fly"),
    ],
)
def test_bad_input_is_exit_2_and_one_clear_line(arguments: tuple[str, ...], words: str) -> None:
    finished = kiln(*arguments)
    assert finished.returncode == 2
    assert words in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(finished.stderr.splitlines()) <= 2


def test_stdout_is_one_line_of_json_also_for_an_error() -> None:
    finished = kiln("run", "modle_building", KILN_ENV="local")
    (line,) = finished.stdout.splitlines()
    result = json.loads(line)
    assert (result["version"], result["exit_code"], result["exit_name"]) == (1, 2, "usage")


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", "p", "--fly"), ("status", "p", "--fly", "-o", "json")]
)
def test_stdout_is_one_line_of_json_also_for_a_command_line_that_cannot_be_read(
    arguments: tuple[str, ...],
) -> None:
    (line,) = kiln(*arguments).stdout.splitlines()
    assert json.loads(line)["exit_code"] == 2


def test_a_fault_in_kiln_is_one_line_and_its_traceback_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails(_arguments: object) -> int:
        raise ZeroDivisionError("oops")

    monkeypatch.setenv("KILN_CHECKOUT", str(tmp_path))
    monkeypatch.setattr(cli, "_command_of", fails)
    assert cli.main(["list", "--env", "local"]) == 1
    shown = capsys.readouterr().err
    assert "fault in kiln: ZeroDivisionError: oops" in shown
    assert "Traceback" not in shown
    assert "in fails" in (tmp_path / ".kiln/fault.log").read_text()


def test_a_checkout_that_cannot_be_written_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails(_arguments: object) -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path / ".kiln"))

    monkeypatch.setattr(cli, "_command_of", fails)
    assert cli.main(["list", "--env", "local"]) == 10
    assert f"{tmp_path}/.kiln: Permission denied" in capsys.readouterr().err


@pytest.mark.processes
def test_an_inherited_ansible_inventory_is_not_executed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\necho '{{}}'\n")
    trap.chmod(0o755)
    finished = kiln("run", "model_building", "lunch", "--env", "local", ANSIBLE_INVENTORY=str(trap))
    assert finished.returncode == 2
    assert not (tmp_path / "sprung").exists()


def test_a_wrapper_behind_a_link_finds_its_checkout(tmp_path: Path) -> None:
    (tmp_path / "kiln").symlink_to(KILN)
    assert subprocess.run([tmp_path / "kiln", "--help"], check=False, capture_output=True).returncode == 0


def test_every_command_is_offered_and_has_a_module() -> None:
    text = kiln("--help").stdout
    modules = {file.stem for file in (CHECKOUT / "src/kiln/commands").glob("*.py")}
    offered = re.findall(r"^    ([a-z]+)  ", text, flags=re.MULTILINE)
    # `import` is a word of Python: its module is import_pipeline.
    assert {"run", "reap", "diagnose", "import"} <= set(offered) <= modules | {"import"}


def test_no_terminal_means_json(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = parser.parser().parse_args(["run", "p", "--env", "local"])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert failure.wants_json(arguments) is False
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert failure.wants_json(arguments) is True
