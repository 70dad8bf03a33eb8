"""What the log of a command shows while nothing changes for long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from kiln_commands import Commands

from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("seconds", "lines"), [(200, 0), (1000, 3)])
def test_the_wait_for_a_step_writes_a_line_every_five_minutes(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seconds: float,
    lines: int,
) -> None:
    world = Commands()
    world.replace_parts(monkeypatch, tmp_path)
    world.settings["kiln_step_timeout_seconds"] = 2000
    assert world.kiln("r1", actions=("launch,provision,deploy",)) == ExitCode.OK
    world.aws.step_seconds = seconds
    capsys.readouterr()
    assert world.kiln("r1", actions=("sd",)) == ExitCode.OK
    shown = capsys.readouterr().err.splitlines()
    quiet = [line for line in shown if re.search(r" sd +step sd.*: RUNNING for \d+:\d\d$", line)]
    assert len(quiet) == lines, shown
