"""The phases of a command as they go: shown, timed, put into the result, and written to the ledger."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln.clock import timestamp
from kiln.errors import KilnError
from kiln.ledger.schema import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kiln.clock import Clock
    from kiln.reporter import Reporter
    from kiln.runs.result import Result


class PhaseLog:
    """Of one command."""

    def __init__(self, clock: Clock, reporter: Reporter, result: Result) -> None:
        self._clock, self._reporter, self._result = clock, reporter, result
        self._unwritten: list[Phase] = []

    def timed(self, name: str, work: Callable[[], bool]) -> None:
        """Do a phase; `work` returns whether it has changed anything."""
        with self.phase(name) as entry:
            entry.changed = work()

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Show and time a phase; its entry gets `changed`. Several may go on side by side."""
        entry = Phase(name=name, status="failed", seconds=0.0)
        started = self._clock.monotonic()
        try:
            with self._reporter.phase(name):
                yield entry
            entry.status = "ok"
        except BaseException as error:
            self._result.phase = name
            if isinstance(error, KilnError):
                entry.message, entry.details, entry.fix = error.message, list(error.details), error.fix
            raise
        finally:
            entry.seconds = round(self._clock.monotonic() - started, 1)
            entry.ended_at = timestamp(self._clock.now())
            self._result.phases.append(entry)
            self._unwritten.append(entry)

    def take_unwritten(self) -> list[Phase]:
        """Return the phases that are over and not in the ledger yet; they count as written from now on."""
        entries, self._unwritten = self._unwritten, []
        return entries
