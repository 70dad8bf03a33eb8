"""Faults of events: lost, doubled, late."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.faults.book import FaultBook

KINDS = ("event-lost", "event-doubled", "event-late")


class EventFaults:
    """Says when each copy of an event leaves. `operation` of a fault is a pattern for the detail-type."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book

    def fate(self, event: dict[str, Any]) -> Sequence[float]:
        """Return the seconds after which each copy of an event leaves: one 0 when no fault strikes."""
        detail = event.get("detail", {})
        names = [str(detail[name]) for name in ("clusterId", "name") if name in detail]
        for fault in self._book.of(*KINDS):
            if not fnmatchcase(str(event.get("detail-type", "")), fault.operation) or not fault.covers(names):
                continue
            if self._book.spend(fault):
                if fault.kind.name == "event-lost":
                    return ()
                seconds = float(fault.parameters["seconds"])
                return (0.0, seconds) if fault.kind.name == "event-doubled" else (seconds,)
        return (0.0,)
