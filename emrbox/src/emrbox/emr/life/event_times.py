"""Times as EMR's events write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def at(moment: datetime) -> str:
    """Return a moment to the minute."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def minutes(start: datetime, end: datetime) -> int:
    """Return the whole minutes between two moments."""
    return int((end - start).total_seconds() // 60)
