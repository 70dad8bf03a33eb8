"""Faults of events, injected into the event bus (aws/event_bus.py)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from emrbox.faults.kinds.kind import EventKind, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.faults.book import FaultBook


class EventFaults:
    """Decides when each copy of an event leaves. `operation` of a fault is a pattern for the detail-type."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book

    def delays_of(self, event: dict[str, Any]) -> Sequence[float]:
        """Return the seconds after which each copy of an event leaves: one 0 when no fault acts."""
        detail = event.get("detail", {})
        names = [str(detail[name]) for name in ("clusterId", "name") if name in detail]
        for fault in self._book.of(Where.EVENT):
            is_in_scope = fnmatchcase(str(event.get("detail-type", "")), fault.operation)
            if not is_in_scope or not fault.covers(names) or not isinstance(fault.kind, EventKind):
                continue
            if self._book.spend(fault):
                return fault.kind.delays_of(fault)
        return (0.0,)
