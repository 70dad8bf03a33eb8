"""Expected times: learned from phases that did their work, and never a reason for a run to fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hostile import documents, many
from hypothesis import given

from kiln.ledger.schema import Phase
from kiln.runs.expected import ExpectedTimes
from kiln.runs.result import Result

if TYPE_CHECKING:
    from pathlib import Path


def result(*phases: Phase) -> Result:
    return Result(environment="local", pipeline="p", run_id="r1", phases=list(phases))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".kiln").mkdir()
    return tmp_path


def test_a_phase_that_did_its_work_is_learned_and_others_leave_what_is_known(root: Path) -> None:
    ExpectedTimes(root, "local", "p").learn(
        result(
            Phase(name="launch", status="ok", seconds=20.0, changed=True),
            Phase(name="provision", status="ok", seconds=30.0, changed=True),
        )
    )
    ExpectedTimes(root, "local", "p").learn(
        result(
            Phase(name="launch", status="ok", seconds=1.0),
            Phase(name="provision", status="failed", seconds=2.0, changed=True),
            Phase(name="sd", status="ok", seconds=40.0, changed=True),
        )
    )
    assert ExpectedTimes(root, "local", "p").seconds == {"launch": 20.0, "provision": 30.0, "sd": 40.0}
    assert ExpectedTimes(root, "stage", "p").seconds == {}


def test_a_folder_that_is_not_there_is_no_hindrance(tmp_path: Path) -> None:
    expected = ExpectedTimes(tmp_path / "gone", "local", "p")
    expected.learn(result(Phase(name="launch", status="ok", seconds=20.0, changed=True)))
    assert expected.seconds == {}


@many
@given(document=documents())
def test_whatever_the_file_holds_times_are_numbers(document: Any, tmp_path_factory: Any) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / ".kiln").mkdir(exist_ok=True)
    for content in (document, {"local/p": document}):
        (root / ".kiln/expected.json").write_text(json.dumps(content))
        seconds = ExpectedTimes(root, "local", "p").seconds
        assert all(isinstance(one, int | float) for one in seconds.values())
