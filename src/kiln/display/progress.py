"""What people see on stderr while a run works: live bars on a terminal, otherwise one line per change.

While nothing changes, a log gets a line every few minutes: its readers see that the command lives.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln.display import terminal
from kiln.display.duration import duration
from kiln.reporter import QUIET_SECONDS

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
        self._open: dict[str, float] = {}
        # What was shown last of the latest phase, and since when it is so; "" for nothing.
        self._state, self._since = "", self._started
        self._written = self._started

    def line(self, text: str) -> None:
        """Write it, with the run's age and the phase."""
        self._set(text)
        self._write(text)

    def now(self, text: str) -> None:
        """Keep it: it is not worth a line before nothing else has been for a while."""
        if text != self._state:
            self._set(text)

    def tick(self) -> None:
        """Write what goes on after QUIET_SECONDS without a line: `step sd: RUNNING for 5:00`."""
        now = self._clock.monotonic()
        if now - self._written < QUIET_SECONDS:
            return
        if self._state:
            text, since = self._state, self._since
        else:
            text, since = "at work", self._open.get(self._phase, self._started)
        expected = self._expected.get(self._phase)
        usual = f" (last time {self._phase} took {duration(expected)})" if expected else ""
        self._write(f"{text} for {duration(now - since)}{usual}")

    @property
    def _phase(self) -> str:
        return next(reversed(self._open), "")

    def _set(self, state: str) -> None:
        self._state, self._since = state, self._clock.monotonic()

    def _write(self, text: str) -> None:
        self._written = self._clock.monotonic()
        age = duration(self._written - self._started)
        terminal.err(f"{age:>7} {self._phase:<10} {text}".rstrip())

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Say when it starts and how it ends."""
        started = self._clock.monotonic()
        self._open[name] = started
        expected = self._expected.get(name)
        self._set("")
        self._write(f"started (last time {duration(expected)})" if expected else "started")
        try:
            yield
        except BaseException:
            self._show_end(name, f"failed after {duration(self._clock.monotonic() - started)}")
            raise
        else:
            self._show_end(name, f"done in {duration(self._clock.monotonic() - started)}")
        finally:
            self._open.pop(name)

    def _show_end(self, name: str, text: str) -> None:
        """Say it in the phase's own name, which others may have begun after."""
        self._open[name] = self._open.pop(name)
        self._set("")
        self._write(text)

    def close(self) -> None:
        """Nothing was changed."""


def reporter(clock: Clock, expected: Mapping[str, float], names: Sequence[str]) -> Reporter:
    """Return what suits stderr; `names` are the phases that will come."""
    if not sys.stderr.isatty():
        return Lines(clock, expected)
    from kiln.display.bars import Bars  # noqa: PLC0415  # rich: 40 ms that only a terminal has to pay

    return Bars(clock, expected, names)
