"""The first line of a summary says how a run went, and which phase failed."""

from __future__ import annotations

from kiln.display import summary
from kiln.runs.result import Result


def first_line(**fields: object) -> str:
    given = {"environment": "local", "pipeline": "p", "run_id": "r1", "seconds": 65.0} | fields
    return summary.lines(Result(**given))[0]  # type: ignore[arg-type]  # fields of several types


def test_the_phase_that_failed_stands_in_the_first_line() -> None:
    failed = {"exit_code": 13, "exit_name": "provision", "verdict": "failed"}
    assert first_line(**failed, phase="deploy") == "✘ run r1 of p: failed in 1:05, phase deploy"
    assert first_line(**failed, phase=None) == "✘ run r1 of p: failed in 1:05"


def test_a_run_that_went_well_names_no_phase() -> None:
    assert first_line(verdict="succeeded") == "✔ run r1 of p: succeeded in 1:05"
