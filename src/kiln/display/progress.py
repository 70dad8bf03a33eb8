"""What people see on stderr while a run works: live bars on a terminal, one line per change otherwise."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln.display import terminal
from kiln.display.duration import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kiln.clock import Clock
    from kiln.reporter import Reporter


class Lines:
    """One line per change: `  0:12 launch     cluster j-…: STARTING`."""

    def __init__(self, clock: Clock, expected: Mapping[str, float]) -> None:
        self._clock = clock
        self._expected = expected
        self._started = clock.monotonic()
        # Steps may run side by side: the phases that have begun and not ended, the latest last.
        self._open: list[str] = []

    def line(self, text: str) -> None:
        """Write it, with the run's age and the phase."""
        age = duration(self._clock.monotonic() - self._started)
        phase = self._open[-1] if self._open else ""
        terminal.err(f"{age:>7} {phase:<10} {text}".rstrip())

    def now(self, text: str) -> None:
        """Not worth a line."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Say when it starts and how it ends."""
        started = self._clock.monotonic()
        self._open.append(name)
        expected = self._expected.get(name)
        self.line(f"started (last time {duration(expected)})" if expected else "started")
        try:
            yield
        except BaseException:
            self._show_end(name, f"failed after {duration(self._clock.monotonic() - started)}")
            raise
        else:
            self._show_end(name, f"done in {duration(self._clock.monotonic() - started)}")
        finally:
            self._open.remove(name)

    def _show_end(self, name: str, text: str) -> None:
        """Say it in the phase's own name, which others may have begun after."""
        self._open.remove(name)
        self._open.append(name)
        self.line(text)

    def close(self) -> None:
        """Nothing was changed."""


def reporter(clock: Clock, expected: Mapping[str, float], names: Sequence[str]) -> Reporter:
    """Return what suits stderr; `names` are the phases that will come."""
    if not sys.stderr.isatty():
        return Lines(clock, expected)
    from kiln.display.bars import Bars  # noqa: PLC0415  # rich: 40 ms that only a terminal has to pay

    return Bars(clock, expected, names)
