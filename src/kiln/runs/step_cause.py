"""The cause of a failed step, and its error with that cause.

What a log says changes texts only: exit code and retry follow from what AWS says about the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.errors import DeadlineError, StepFailedError
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.effects import Step
    from kiln.diagnosis.cause import Cause
    from kiln.errors import KilnError


def of(error: KilnError, step: Step, explain: Callable[[], Cause | None]) -> Cause | None:
    """Return the cause of a failed or late step, and let the first line of its error have it.

    A step that its cluster or a deadline has ended keeps its message: its logs only show the last output.
    """
    if not isinstance(error, StepFailedError | DeadlineError):
        return None
    cause = explain()
    if cause is None or isinstance(error, DeadlineError) or step.state != "FAILED":
        return cause
    error.message = f"step {step.name} ({step.id}) failed: {cause.headline}"
    error.fix = cause.advice or error.fix
    if error.failure_class is FailureClass.USER_CODE:
        error.failure_class = cause.failure_class
    return cause
