"""`kiln check`: problems on stdout with exit 2, else the settings and where each comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pipeline_files
import pytest

from kiln import cli, paths
from kiln.commands import shared
from kiln.settings import ansible_values

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "emr_cluster_core_count: 3\nsteps:\n  - {name: load, command: [ls]}\n"
COMMAND = ("check", "daily", "--env", "local")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def no_account(_account: Any) -> Any:
        raise AssertionError("AWS was asked")

    monkeypatch.setattr(ansible_values, "read", pipeline_files.answer)
    monkeypatch.setattr(paths, "checkout", lambda: tmp_path)
    monkeypatch.setattr(shared, "aws_of", no_account)
    return pipeline_files.make(tmp_path)


def test_good_settings_are_printed_with_their_places(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / pipeline_files.FILE).write_text(GOOD)
    assert cli.main(COMMAND) == 0
    lines = capsys.readouterr().out.splitlines()
    (count,) = [line for line in lines if line.startswith("emr_cluster_core_count ")]
    assert count.split() == ["emr_cluster_core_count", "3", "(group_vars/daily.yml:1)"]


def test_each_problem_is_a_line_with_its_fix(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / pipeline_files.FILE).write_text("emr_cluster_core_count: -1\nkiln_ownr: me\n")
    assert cli.main([*COMMAND, "-e", "daily_x=1"]) == 2
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 3
    assert out[0].startswith("group_vars/daily.yml:1: emr_cluster_core_count is -1: expected a whole number")
    assert all("; fix: " in line for line in out)


def test_programs_get_one_line_of_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / pipeline_files.FILE).write_text(GOOD)
    assert cli.main([*COMMAND, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["version"], found["problems"]) == ("check", 1, [])
    assert found["settings"]["emr_cluster_core_count"] == {"value": 3, "origin": "group_vars/daily.yml:1"}
    (root / pipeline_files.FILE).write_text("emr_cluster_core_count: -1\n")
    assert cli.main([*COMMAND, "-o", "json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "emr_cluster_core_count is -1" in problem["message"]
    assert problem["fix"]


def test_with_an_account_what_a_launch_needs_is_checked(root: Path) -> None:
    (root / pipeline_files.FILE).write_text(GOOD)
    with pytest.raises(AssertionError, match="AWS was asked"):
        cli._command_of(cli._read([*COMMAND, "--account"]))
