"""The one loop that waits for AWS: adaptive interval, jitter, deadline. Throttling alone fails no run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from kiln.errors import AwsError, DeadlineError, ThrottledError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a cluster, and how often to ask AWS about it."""

    timeout_seconds: float
    interval_seconds: float


T = TypeVar("T")

GROWTH = 1.3
SLOWEST = 2.0  # times the first interval
JITTER = 0.2
# How long AWS may give no usable answer before a wait is given up.
PATIENCE_SECONDS = 180.0


class Interval:
    """Seconds until the next look: longer while nothing changes or AWS throttles, then short again."""

    def __init__(self, context: Context, seconds: float) -> None:
        self._random = context.random
        self._first = seconds
        self._now = seconds

    def next(self, *, changed: bool, throttled: bool = False) -> float:
        """Return the next pause, jittered so that many drivers do not call in step."""
        if changed:
            self._now = self._first
        else:
            slowest = self._first * SLOWEST * (4.0 if throttled else 1.0)
            self._now = min(slowest, self._now * (2.0 if throttled else GROWTH))
        return self._now * self._random.uniform(1 - JITTER, 1 + JITTER)


def until(  # ruff's suggestion is Python 3.12 syntax
    context: Context,
    look: Callable[[], T],
    done: Callable[[T], bool],
    *,
    what: str,
    timeout_seconds: float,
    interval_seconds: float,
    on_change: Callable[[T], None] | None = None,
) -> T:
    """Look until `done`, and return what was seen then.

    Raises DeadlineError after `timeout_seconds`, ThrottledError when AWS throttled to the end,
    InterruptedRunError on a signal, and the last error when AWS gave no answer for PATIENCE_SECONDS.
    """
    clock, interval = context.clock, Interval(context, interval_seconds)
    started = last_answer = clock.monotonic()
    seen: T | None = None
    silent = False
    while True:
        context.stop.check()
        error: AwsError | ThrottledError | None = None
        changed = False
        try:
            now = look()
        except (UnansweredError, ThrottledError) as caught:
            if not silent:
                context.report(f"{caught.message}; asking again")
            error, silent = caught, True
        else:
            silent = False
            last_answer = clock.monotonic()
            changed, seen = now != seen, now
            if changed and on_change is not None:
                on_change(now)
            if done(now):
                return now
        age, silence = clock.monotonic() - started, clock.monotonic() - last_answer
        if age >= timeout_seconds:
            raise error or DeadlineError(f"{what} took longer than {timeout_seconds:.0f} s")
        if isinstance(error, UnansweredError) and silence >= PATIENCE_SECONDS:
            raise error
        pause = interval.next(changed=changed, throttled=isinstance(error, ThrottledError))
        clock.wait(min(pause, timeout_seconds - age), context.stop.event)
