"""Somebody's wish that a run ends, as its ledger has it: no driver begins anything more in that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.ledger import drivers
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


def ask_drivers(ledger: Ledger) -> bool:
    """Ask for the end of a run when a command works on it: that begins nothing more. Return whether one does.

    Raises what S3's answers raise.
    """
    at_work = bool(drivers.alive(ledger.read(), ledger.aws_now()))
    if at_work:
        ask(ledger)
    return at_work


def cancel_requested(ledger: Ledger) -> bool:
    """Return whether somebody has asked for the end of the run; no, when the ledger cannot be read."""
    run = ledger.read_if_possible()
    return run is not None and run.cancel_requested_at is not None
