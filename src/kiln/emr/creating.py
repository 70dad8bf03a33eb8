"""The one procedure for calls that create: RunJobFlow and AddJobFlowSteps have no idempotency token.

- Refused for being too many, or never sent: the call had no effect, and is made again.
- Answered: what we were told exists is waited for, because reads may lag behind writes.
- No answer: the effect is looked for, longer than reads lag, and adopted when it is found. When it is not,
  the outcome is unknown, and the call is not repeated on a guess. Another command for that run looks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

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

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.exit_codes import ExitCode

T = TypeVar("T")

# AWS documents no lag of EMR's reads; the tests go up to 40 s.
LOOK_SECONDS = 60.0
LOOK_INTERVAL_SECONDS = 3.0
# More than all tries of a call, their pauses and time-outs take together.
_UNSETTLED_SECONDS = 180.0
_TRIES = 4
_PAUSE_SECONDS = 5.0


def appear(
    context: Context, look: Callable[[], T | None], what: str, seconds: float = LOOK_SECONDS
) -> T | None:
    """Return what `look` finds, as soon as it finds something; None when it has not after `seconds`.

    A cluster or a step that AWS does not know (yet) counts as not found. Raises what `watch.until` raises.
    """

    def once() -> T | None:
        try:
            return look()
        except (ClusterNotFoundError, StepNotFoundError):
            return None

    try:
        return waiting.until(
            context,
            once,
            lambda seen: seen is not None,
            what=what,
            timeout_seconds=seconds,
            interval_seconds=LOOK_INTERVAL_SECONDS,
        )
    except DeadlineError:
        return None


def unsettled_seconds(age_seconds: float) -> float:
    """Return how long to look for what another process has meant to create, `age_seconds` ago.

    That process may still be waiting for AWS to take the call (throttled), or for an answer.
    """
    return max(LOOK_SECONDS, _UNSETTLED_SECONDS - max(0.0, age_seconds))


def create(
    context: Context,
    ask: Callable[[], str],
    find: Callable[[], str | None],
    *,
    what: str,
    exit_code: ExitCode,
    on_no_effect: Callable[[], None],
) -> str:
    """Make a call that creates something, once, and return the id of what it created.

    `find` returns the id of what the call has created, or None while nothing shows. `on_no_effect` is called
    when the call has certainly had none. Raises UnknownOutcomeError with `exit_code`, ThrottledError or
    UnreachableError when AWS took no call, AWS's own refusal, and InterruptedRunError.
    """
    try:
        return _asked(context, ask)
    except UnreachableError:
        on_no_effect()
        raise
    except UnansweredError as lost:
        context.report(f"{lost.message}; looking for {what}")
        return _found(context, find, what=what, exit_code=exit_code, lost=lost)
    except KilnError:
        on_no_effect()
        raise


def _asked(context: Context, ask: Callable[[], str]) -> str:
    """Make the call; again while AWS takes none."""
    pause = _PAUSE_SECONDS
    for _ in range(_TRIES - 1):
        context.stop.check()
        try:
            return ask()
        except (ThrottledError, UnreachableError):
            context.clock.wait(pause, context.stop.event)
            pause *= 2
    context.stop.check()
    return ask()


def _found(
    context: Context,
    find: Callable[[], str | None],
    *,
    what: str,
    exit_code: ExitCode,
    lost: UnansweredError,
) -> str:
    try:
        found = appear(context, find, f"looking for {what}")
    except (UnansweredError, ThrottledError):
        found = None
    if found is not None:
        return found
    raise UnknownOutcomeError(
        f"AWS gave no answer ({lost.message}), and {what} did not show up in {LOOK_SECONDS:.0f} s: "
        "whether it exists is not known, so it was not asked for a second time",
        fix="run the same action with the same run id again: it looks for it first",
        exit_code=exit_code,
    ) from lost
