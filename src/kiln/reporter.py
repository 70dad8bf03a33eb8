"""Who a run reports to while it works."""

from __future__ import annotations

from typing import Any, Protocol


class Reporter(Protocol):
    """Shows what a run does. kiln.display.progress has the two for terminal and log."""

    def phase(self, name: str) -> Any:
        """Return a context manager around a phase."""

    def line(self, text: str) -> None:
        """Show one change."""

    def now(self, text: str) -> None:
        """Show what the phase is at, where that can be shown without a line."""

    def close(self) -> None:
        """Leave the terminal as it was."""
