"""Time as EMR sees it. Everything in emrbox.emr asks a clock, so that a test can move it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    """A source of time that can also wait for a change."""

    def now(self) -> datetime:
        """Return the time, UTC."""

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Wait, holding `changed`, until it is notified or `seconds` of this clock have passed."""


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        """Return the time, UTC."""
        return datetime.now(UTC)

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Wait for a notification or the time to pass."""
        changed.wait(seconds)
