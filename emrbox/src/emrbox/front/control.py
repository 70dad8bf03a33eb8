"""What people switch while a box runs: the movable clock, hollow launches, delays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.accounts import Accounts
from emrbox.emr.hollow.delays import Delays
from emrbox.emr.hollow.hollow import Hollow
from emrbox.faults import kinds
from emrbox.faults.book import FaultBook
from emrbox.faults.calls import CallFaults
from emrbox.faults.events import EventFaults
from emrbox.faults.happenings import Happenings

if TYPE_CHECKING:
    from emrbox.aws.own_api import OwnApi

Document = dict[str, Any]
MOST_SECONDS = 10 * 365 * 86400.0


class Control:
    """The switches of one box."""

    def __init__(self) -> None:
        self.delays = Delays()
        self.faults = FaultBook()
        self.hollow = Hollow(self.delays, self.faults)
        self.call_faults = CallFaults(self.faults)
        self.event_faults = EventFaults(self.faults)
        self.happenings = Happenings(self.faults, self.hollow.clock, self.hollow, lambda _: None)
        self.accounts = Accounts(self.hollow.scripts)

    def add_to(self, api: OwnApi) -> None:
        """Offer the switches below /_emrbox/."""
        self.accounts.add_to(api)
        api.get("clock", lambda _: self._clock())
        api.post("clock", self._change_clock)
        api.get("hollow", lambda _: self.hollow.scripts.document())
        api.post("hollow", self._change_hollow)
        api.get("delays", lambda _: self.delays.document())
        api.post("delays", self._change_delays)
        api.get("faults", lambda _: self._faults())
        api.post("faults", self._change_faults)
        api.get("fault-kinds", lambda _: {"kinds": kinds.document()})

    def _clock(self) -> Document:
        clock = self.hollow.clock
        now = clock.now().isoformat(timespec="milliseconds")
        return {"now": now, "frozen": clock.frozen, "pending": clock.pending}

    def _change_clock(self, document: Document) -> Document:
        """{"frozen": true | false} and {"advance_seconds": 7200}; all that falls due is done on return."""
        if unknown := set(document) - {"frozen", "advance_seconds"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known are frozen, advance_seconds")
        clock = self.hollow.clock
        frozen, seconds = document.get("frozen"), document.get("advance_seconds", 0)
        if frozen is not None and not isinstance(frozen, bool):
            raise ValueError("frozen: true or false")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError("advance_seconds: a number")
        if not 0 <= seconds <= MOST_SECONDS:
            raise ValueError("advance_seconds: 0 or more, at most ten years; the clock does not go back")
        if frozen is True:
            clock.freeze()
        clock.advance(seconds)
        if frozen is False:
            clock.run()
        return self._clock()

    def _faults(self) -> Document:
        return {"faults": [fault.document() for fault in self.faults.all()]}

    def _change_faults(self, document: Document) -> Document:
        """{"add": {"kind": …}}, {"remove": "f-1"} or {"clear": true}."""
        if len(document) != 1 or not set(document) <= {"add", "remove", "clear"}:
            raise ValueError("one of add, remove, clear")
        if isinstance(document.get("add"), dict):
            return {"fault": self.faults.add(document["add"]).document()}
        if "add" in document:
            raise TypeError("add: an object")
        if "remove" in document:
            self.faults.remove(str(document["remove"]))
        else:
            self.faults.clear()
        return self._faults()

    def _change_hollow(self, document: Document) -> Document:
        self.hollow.scripts.change(document)
        return self.hollow.scripts.document()

    def _change_delays(self, document: Document) -> Document:
        self.delays.change(document)
        return self.delays.document()
