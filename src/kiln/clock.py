"""Time as an object, so that tests can move it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


class Clock(Protocol):
    """Wall clock, monotonic clock and the only way to wait."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""

    def wait(self, seconds: float, wake: threading.Event) -> None:
        """Return after `seconds`, or at once when `wake` is set."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    def wait(self, seconds: float, wake: threading.Event) -> None:
        """Sleep, unless `wake` is set or becomes so."""
        wake.wait(max(0.0, seconds))


@dataclass(frozen=True)
class TickingClock:
    """A clock that calls a function before each wait."""

    inner: Clock
    tick: Callable[[], None]

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return self.inner.now()

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return self.inner.monotonic()

    def wait(self, seconds: float, wake: threading.Event) -> None:
        """Call the function, then wait."""
        self.tick()
        self.inner.wait(seconds, wake)


def timestamp(moment: datetime) -> str:
    """Return ISO 8601 in UTC with whole seconds: `2026-11-21T07:30:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
