"""The first line of a summary says how a run went, and which phase failed."""

from __future__ import annotations

import pytest

from kiln.display import summary
from kiln.runs.result import Result, StepResult


def first_line(**fields: object) -> str:
    given = {"environment": "local", "pipeline": "p", "run_id": "r1", "seconds": 65.0} | fields
    return summary.lines(Result(**given))[0]  # type: ignore[arg-type]  # fields of several types


def test_the_phase_that_failed_stands_in_the_first_line() -> None:
    failed = {"exit_code": 13, "exit_name": "provision", "verdict": "failed"}
    assert first_line(**failed, phase="deploy") == "✘ run r1 of p: failed in 1:05, phase deploy"
    assert first_line(**failed, phase=None) == "✘ run r1 of p: failed in 1:05"


def test_a_run_that_went_well_names_no_phase() -> None:
    assert first_line(verdict="succeeded") == "✔ run r1 of p: succeeded in 1:05"


def test_a_failure_is_shown_with_its_class_and_a_run_that_nobody_can_judge_is_no_success() -> None:
    lost = {"exit_code": 12, "verdict": "failed", "failure_class": "spot_loss"}
    assert first_line(**lost) == "✘ run r1 of p: failed (spot_loss) in 1:05"
    assert "not known" in first_line(verdict="unknown")


def test_a_step_that_failed_with_its_nodes_can_be_diagnosed() -> None:
    step = StepResult(name="sd", id="s-1", state="FAILED")
    result = Result(environment="local", pipeline="p", run_id="r1", exit_code=12, steps=[step])
    assert any("diagnose" in command for command in summary.next_commands(result))


@pytest.mark.parametrize(("state", "offered"), [("TERMINATED", True), ("WAITING", False)])
def test_a_failed_run_whose_cluster_has_ended_can_be_resumed(state: str, *, offered: bool) -> None:
    result = Result(environment="local", pipeline="p", run_id="r1", exit_code=12, cluster_id="j-1")
    result.cluster_state = state
    assert any(" resume p " in command for command in summary.next_commands(result)) is offered


@pytest.mark.parametrize("code", [0, 2, 10, 20])
def test_nothing_is_resumed_after_success_or_a_wrong_setting(code: int) -> None:
    result = Result(environment="local", pipeline="p", run_id="r1", exit_code=code, cluster_id="j-1")
    assert not any(" resume p " in command for command in summary.next_commands(result))
