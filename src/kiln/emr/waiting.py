"""The one loop that waits for a state of AWS's things: adaptive interval, jitter, deadline."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec

from kiln.errors import DeadlineError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kiln.aws.context import Context, Wait
    from kiln.aws.watch import Watched


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a cluster, and how often to ask AWS about it."""

    timeout_seconds: float
    interval_seconds: float


T = TypeVar("T")

GROWTH = 1.3
SLOWEST = 2.0  # times the first interval
JITTER = 0.2
# At the deadline an answer counts that is no older: a last call that came too late for the quota is no cause.
RECENT_SECONDS = 60.0


class Interval:
    """Seconds until the next poll: longer while nothing changes, then short again."""

    def __init__(self, context: Context, seconds: float) -> None:
        self._random = context.random
        self._first = seconds
        self._now = seconds

    def next(self, *, changed: bool) -> float:
        """Return the next pause, jittered so that many drivers do not poll at the same moment."""
        self._now = self._first if changed else min(self._first * SLOWEST, self._now * GROWTH)
        return self._now * self._random.uniform(1 - JITTER, 1 + JITTER)


def until(  # ruff's suggestion is Python 3.12 syntax
    context: Context,
    poll: Callable[[Context], T],
    done: Callable[[T], bool],
    *,
    what: str,
    timeout_seconds: float,
    interval_seconds: float,
    on_change: Callable[[T], None] | None = None,
    watched: Callable[[], Watched] | None = None,
) -> T:
    """Poll until `done`, and return what was seen then.

    `watched` is called after each poll and says what the wait is about: a context with a watch then wakes it
    when that may have changed, and lets it poll less often while one process polls for all of a host.

    `poll` gets a context with this wait's deadline: throttling and lost answers are dealt with there, in
    kiln.aws.retrying. Raises DeadlineError after `timeout_seconds`, ThrottledError when AWS has not answered
    for long by then, InterruptedRunError on a signal, and what else `poll` raises.
    """
    clock, interval = context.clock, Interval(context, interval_seconds)
    bounded, started = context.within(timeout_seconds), clock.monotonic()
    late = DeadlineError(f"{what} took longer than {bounded.ends_at - started:.0f} s")
    seen: T | None = None
    answered_at = -math.inf
    with watching(context, watched) as wait:
        while True:
            context.stop.check()
            try:
                now = poll(bounded)
            except ThrottledError:
                if bounded.ends_at - answered_at > RECENT_SECONDS:
                    raise
                raise late from None
            answered_at = clock.monotonic()
            changed, seen = now != seen, now
            if changed and on_change is not None:
                on_change(now)
            if done(now):
                return now
            left = bounded.ends_at - clock.monotonic()
            if left <= 0:
                raise late
            if wait is not None and watched is not None:
                wait.about(watched())
            pause(context, wait, interval.next(changed=changed), left, changed=changed)


def pause(context: Context, wait: Wait | None, seconds: float, left: float, *, changed: bool) -> None:
    """Let time pass until the next poll: `seconds`, no longer than `left`, or as a watch says."""
    if wait is not None:
        wait.pause(context, seconds, left, changed=changed)
    else:
        context.clock.wait(min(seconds, left), context.stop.event)


@contextmanager
def watching(context: Context, watched: Callable[[], Watched] | None) -> Iterator[Wait | None]:
    """Give the wait of the context's watch. It begins before the first poll: what comes later wakes it."""
    if context.watch is None or watched is None:
        yield None
        return
    with context.watch.wait(context, watched()) as wait:
        yield wait
