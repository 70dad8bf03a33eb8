"""What a log says changes texts: never the exit code, never whether a run is tried again."""

from __future__ import annotations

import pytest
from fakes import START
from run_world import World

from kiln.aws import effects
from kiln.diagnosis.cause import Cause
from kiln.errors import DeadlineError, KilnError, StepCancelledError, StepFailedError
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass
from kiln.runs import step_cause

CAUSE = Cause(
    kind="driver_memory",
    headline="the driver ran out of memory",
    advice="raise --driver-memory",
    lines=("MemoryError",),
    failure_class=FailureClass.OUT_OF_MEMORY,
)


def added(error: KilnError, state: str = "FAILED", cause: Cause | None = CAUSE) -> Cause | None:
    step = effects.Step(id="s-1", name="sd", state=state, created_at=START)
    return step_cause.of(error, step, lambda: cause)


def test_the_first_line_has_the_cause_and_what_to_change() -> None:
    error = StepFailedError("step sd (s-1) ended FAILED")
    assert added(error) == CAUSE
    assert error.message == "step sd (s-1) failed: the driver ran out of memory"
    assert error.fix == "raise --driver-memory"
    assert (error.exit_code, error.failure_class) == (ExitCode.STEP_FAILED, FailureClass.OUT_OF_MEMORY)


def test_a_class_that_aws_has_shown_stays() -> None:
    error = StepFailedError("no core node is left", failure_class=FailureClass.NO_CORE)
    added(error)
    assert error.failure_class is FailureClass.NO_CORE


def test_a_step_that_its_cluster_ended_keeps_its_message() -> None:
    error = StepFailedError("step sd is INTERRUPTED: cluster j-1 was terminated by user request")
    assert added(error, state="INTERRUPTED") == CAUSE
    assert "terminated by user request" in error.message


def test_a_late_step_keeps_its_message_and_shows_its_last_output() -> None:
    error = DeadlineError("step sd took longer than 60 s", fix="it was cancelled")
    assert added(error, state="CANCELLED") == CAUSE
    assert (error.message, error.fix) == ("step sd took longer than 60 s", "it was cancelled")
    assert error.failure_class is FailureClass.DEADLINE


@pytest.mark.parametrize("error", [StepCancelledError("cancelled"), KilnError("fault")])
def test_any_other_error_asks_for_no_cause(error: KilnError) -> None:
    assert added(error) is None


def test_without_a_cause_the_error_stays() -> None:
    error = StepFailedError("step sd (s-1) ended FAILED")
    assert added(error, cause=None) is None
    assert error.message == "step sd (s-1) ended FAILED"


def test_the_ledger_has_the_first_line_too() -> None:
    world = World()
    world.aws.step_outcomes["sd"] = "FAILED"
    result = world.run()
    assert result.message.endswith("failed: ValueError in sd")
    assert world.remembered().message == result.message
    assert result.cause is not None
    assert result.cause["headline"] == "ValueError in sd"
