"""A whole run without an error is a success only when every step that counts is COMPLETED."""

from __future__ import annotations

import msgspec
import pytest
from run_world import STEPS, World

from kiln.errors import LaunchError, NotTerminatedError
from kiln.failure_classes import FailureClass
from kiln.runs import selection
from kiln.runs.outcome import Outcome
from kiln.runs.result import Result, StepResult
from kiln.runs.scope import Scope


def concluded(*found: str) -> Result:
    """Return the result of a whole run whose last step, an optional one, and others ended so."""
    world = World()
    optional = msgspec.structs.replace(STEPS[1], optional=True)
    result = Result(environment="local", pipeline="model_building", run_id="r1")
    names = ("sd", "cdd")
    result.steps = [
        StepResult(name=name, id=f"s-{name}", state=state) for name, state in zip(names, found, strict=False)
    ]
    chosen = selection.make([], (STEPS[0], optional))
    return Outcome(Scope(world.context, world.ledger), chosen, result).conclude(None, None)


@pytest.mark.parametrize("state", ["RUNNING", "SOMETHING_NEW", ""])
def test_a_state_that_is_no_end_is_never_shown_as_a_success(state: str) -> None:
    result = concluded(state, "COMPLETED")
    assert result.verdict not in {"succeeded", "running"}
    assert (result.exit_code, result.exit_name, result.failure_class) == (14, "step_failed", "unknown")
    assert result.message


def test_an_optional_step_may_fail() -> None:
    result = concluded("COMPLETED", "FAILED")
    assert (result.verdict, result.exit_code, result.failure_class) == ("succeeded", 0, "")


def test_a_run_without_steps_is_no_failure() -> None:
    result = concluded()
    assert (result.verdict, result.exit_code, result.failure_class) == ("no_step", 0, "")


def failed_launch() -> Result:
    """Return the result of a run whose launch failed, and whose cluster could not be ended."""
    world = World()
    result = Result(environment="local", pipeline="model_building", run_id="r1", phase="launch")
    launch = LaunchError("no spot capacity", fix="use on demand", failure_class=FailureClass.CAPACITY)
    ending = NotTerminatedError("cluster j-1 is RUNNING")
    outcome = Outcome(Scope(world.context, world.ledger), selection.make([], STEPS), result)
    return outcome.conclude(launch, ending)


def test_the_cause_of_a_failed_launch_is_in_the_result() -> None:
    result = failed_launch()
    assert result.cause == {"kind": "capacity", "headline": "no spot capacity", "advice": "use on demand"}
    assert result.message == "cluster j-1 is RUNNING (before that: no spot capacity)"
