"""The one procedure for calls that create: they have no idempotency token (docs/aws_facts.md 1.7).

- Refused for being too many, or never sent: the call had no effect; kiln.aws.retrying repeats it.
- Answered: what AWS says to have created is waited for, because reads may lag behind writes.
- No answer: the effect is searched for, longer than reads lag, and adopted when found. When it is not,
  the outcome is unknown, and the call is not repeated. The next command for that run searches again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kiln.aws.operations import CREATE_SECONDS, THROTTLED_SECONDS
from kiln.emr import waiting
from kiln.errors import (
    ClusterNotFoundError,
    DeadlineError,
    KilnError,
    StepNotFoundError,
    ThrottledError,
    UnansweredError,
    UnknownOutcomeError,
    UnreachableError,
)
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context

T = TypeVar("T")

# AWS documents no lag of EMR's reads; the tests go up to 40 s.
LAG_SECONDS = 60.0
LAG_INTERVAL_SECONDS = 3.0
# All tries of a creating call, and the time-outs of the last one, take less.
UNSETTLED_SECONDS = CREATE_SECONDS + LAG_SECONDS


def appear(
    context: Context, find: Callable[[], T | None], what: str, seconds: float = LAG_SECONDS
) -> T | None:
    """Return what `find` finds, as soon as it finds something; None when it has not after `seconds`.

    A cluster or a step that AWS does not know (yet) counts as not found. `seconds` is no deadline of calls:
    what AWS does not answer because it throttles has not been shown to be missing. Raises what `find` raises,
    and DeadlineError when the deadline of `context` comes first: then nothing is known.
    """

    def poll(_bounded: Context) -> T | None:
        try:
            return find()
        except (ClusterNotFoundError, StepNotFoundError):
            return None

    try:
        return waiting.until(
            context,
            poll,
            lambda seen: seen is not None,
            what=what,
            timeout_seconds=seconds,
            interval_seconds=LAG_INTERVAL_SECONDS,
        )
    except DeadlineError:
        if context.is_over():
            raise
        return None


def shown(context: Context, find: Callable[[], T | None], subject: str, missing: KilnError) -> T:
    """Return what is known to exist, as soon as reads show it. Raises `missing` when they do not.

    Raises DeadlineError when the deadline of `context` comes first.
    """
    found = appear(context, find, f"waiting for {subject} to show up")
    if found is None:
        raise missing
    return found


def unsettled_seconds(age_seconds: float) -> float:
    """Return how long to search for what another process intended to create, `age_seconds` ago.

    That process may still be waiting for AWS to take the call (throttled), or for an answer.
    """
    return max(LAG_SECONDS, UNSETTLED_SECONDS - max(0.0, age_seconds))


def repeated_while_throttled(context: Context, creation: Callable[[], T]) -> T:
    """Return what `creation` returns; repeat it, its intent included, while AWS refuses its call as too many.

    The call of one intent is repeated for CREATE_SECONDS only: others may search for its effect after that.
    Raises ThrottledError after THROTTLED_SECONDS, or when the deadline of `context` comes first.
    """
    clock = context.clock
    ends_at = min(context.ends_at, clock.monotonic() + THROTTLED_SECONDS)
    while True:
        try:
            return creation()
        except ThrottledError as error:
            if clock.monotonic() >= ends_at:
                raise
            context.report(f"{error.message}; trying again")


def create(
    context: Context,
    call: Callable[[], str],
    find: Callable[[], str | None],
    *,
    what: str,
    exit_code: ExitCode,
    on_no_effect: Callable[[], None],
) -> str:
    """Make a call that creates something and return the id of what it created.

    `find` returns the id of what the call has created, or None while reads show nothing. `on_no_effect`
    is called when the call has certainly had none. Raises UnknownOutcomeError with `exit_code` (16 when the
    deadline of `context` ended the search), ThrottledError or UnreachableError when AWS took no call, AWS's
    own refusal, and InterruptedRunError.
    """
    try:
        context.stop.check()
        return call()
    except UnreachableError:
        on_no_effect()
        raise
    except UnansweredError as lost:
        context.report(f"{lost.message}; searching for {what}")
        return _found(context, find, what=what, exit_code=exit_code, lost=lost)
    except KilnError:
        on_no_effect()
        raise


def _found(
    context: Context,
    find: Callable[[], str | None],
    *,
    what: str,
    exit_code: ExitCode,
    lost: UnansweredError,
) -> str:
    started = context.clock.monotonic()
    try:
        found = appear(context, find, f"searching for {what}")
    except (UnansweredError, ThrottledError, DeadlineError):
        found = None
    if found is not None:
        return found
    searched = context.clock.monotonic() - started
    is_late = context.is_over()
    raise UnknownOutcomeError(
        f"AWS gave no answer ({lost.message}), and {what} did not show up in {searched:.0f} s: "
        "whether it exists is not known, so it was not asked for a second time",
        fix="run the same action with the same run id again: it searches first",
        exit_code=ExitCode.DEADLINE if is_late else exit_code,
        failure_class=FailureClass.DEADLINE if is_late else None,
    ) from lost
