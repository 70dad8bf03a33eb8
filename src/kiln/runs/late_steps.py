"""Steps that take too long: the error, with what became of the step."""

from __future__ import annotations

from kiln.emr.steps import StepLateError
from kiln.errors import DeadlineError


def error_of(message: str, problem: str, *, own_limit: bool) -> DeadlineError:
    """Return the error for a step that took too long; `problem` says why it was not cancelled.

    `own_limit`: it was the step's own limit that it has passed, and not the deadline of the run.
    """
    fix = "it was cancelled"
    if problem:
        message = f"{message}, and may still run: {problem}"
        fix = "it delays the next step until it ends or the cluster does (action terminate)"
    if not own_limit:
        return DeadlineError(message, fix=fix)
    raised = "if it needs longer, raise its timeout_seconds or kiln_step_timeout_seconds"
    return StepLateError(message, fix=f"{fix}; {raised}")
