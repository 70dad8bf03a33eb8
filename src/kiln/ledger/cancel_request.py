"""Somebody's wish that a run ends, as its ledger has it: no driver begins anything more in that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.ledger.schema import Event

if TYPE_CHECKING:
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger


def ask(ledger: Ledger) -> None:
    """Ask for the end of a run; a request that is there already stays as it is."""
    now = ledger.now()

    def change(run: Run) -> None:
        if run.cancel_requested_at is None:
            run.cancel_requested_at = now
            run.events.append(Event(at=now, kind="cancel_requested"))

    ledger.update(change)


def cancel_requested(ledger: Ledger) -> bool:
    """Return whether somebody has asked for the end of the run; no, when the ledger cannot be read."""
    run = ledger.read_if_possible()
    return run is not None and run.cancel_requested_at is not None
