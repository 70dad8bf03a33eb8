"""What people change while a box runs: the movable clock, hollow launches, delays, faults, accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.config import ACCOUNT_ID
from emrbox.faults.kinds import table

if TYPE_CHECKING:
    from emrbox.aws.accounts import Accounts
    from emrbox.emr.hollow.hollow import Hollow
    from emrbox.faults.book import FaultBook
    from emrbox.front.own_api import OwnApi

Document = dict[str, Any]
MOST_SECONDS = 10 * 365 * 86400.0


class Control:
    """The settings of one box, below /_emrbox/."""

    def __init__(self, hollow: Hollow, faults: FaultBook, accounts: Accounts) -> None:
        self._clock = hollow.clock
        self._scripts = hollow.scripts
        self._delays = hollow.delays
        self._faults = faults
        self._accounts = accounts

    def add_to(self, api: OwnApi) -> None:
        """Offer them to `api`."""
        api.get("clock", lambda _: self._clock_document())
        api.post("clock", self._change_clock)
        api.get("hollow", lambda _: self._scripts.document())
        api.post("hollow", self._change_hollow)
        api.get("delays", lambda _: self._delays.document())
        api.post("delays", self._change_delays)
        api.get("faults", lambda _: self._fault_documents())
        api.post("faults", self._change_faults)
        api.get("fault-kinds", lambda _: {"kinds": table.document()})
        api.get("accounts", lambda _: [ACCOUNT_ID, *self._accounts.open_ids()])
        api.post("accounts", self._open_account)
        api.post("accounts/close", self._close_account)

    def _clock_document(self) -> Document:
        now = self._clock.now().isoformat(timespec="milliseconds")
        return {"now": now, "frozen": self._clock.frozen, "pending": self._clock.pending}

    def _change_clock(self, document: Document) -> Document:
        """{"frozen": true | false} and {"advance_seconds": 7200}; all that was due is done on return."""
        _refuse_unknown(document, "frozen", "advance_seconds")
        frozen, seconds = document.get("frozen"), document.get("advance_seconds", 0)
        if frozen is not None and not isinstance(frozen, bool):
            raise ValueError("frozen: true or false")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError("advance_seconds: a number")
        if not 0 <= seconds <= MOST_SECONDS:
            raise ValueError("advance_seconds: 0 or more, at most ten years; the clock does not go back")
        if frozen is True:
            self._clock.freeze()
        self._clock.advance(seconds)
        if frozen is False:
            self._clock.run()
        return self._clock_document()

    def _change_hollow(self, document: Document) -> Document:
        self._scripts.change(document)
        return self._scripts.document()

    def _change_delays(self, document: Document) -> Document:
        self._delays.change(document)
        return self._delays.document()

    def _fault_documents(self) -> Document:
        return {"faults": [fault.document() for fault in self._faults.all()]}

    def _change_faults(self, document: Document) -> Document:
        """{"add": {"kind": …}}, {"remove": "f-1"} or {"clear": true}."""
        if len(document) != 1 or not set(document) <= {"add", "remove", "clear"}:
            raise ValueError("one of add, remove, clear")
        if isinstance(document.get("add"), dict):
            return {"fault": self._faults.add(document["add"]).document()}
        if "add" in document:
            raise TypeError("add: an object")
        if "remove" in document:
            self._faults.remove(str(document["remove"]))
        else:
            self._faults.clear()
        return self._fault_documents()

    def _open_account(self, document: Document) -> Document:
        """{"hollow": true} makes an account whose clusters are hollow unless their tag says no."""
        _refuse_unknown(document, "hollow")
        hollow = document.get("hollow", False)
        if not isinstance(hollow, bool):
            raise TypeError("hollow: true or false")
        opened = self._accounts.open()
        if hollow:
            self._scripts.add_account(opened["account_id"])
        return {**opened, "hollow": hollow}

    def _close_account(self, document: Document) -> Document:
        """{"account_id": …}: end what is in it and forget it."""
        account_id = document.get("account_id")
        self._accounts.close(account_id)
        self._scripts.forget_account(str(account_id))
        return {"account_id": account_id}


def _refuse_unknown(document: Document, *known: str) -> None:
    if unknown := set(document) - set(known):
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
