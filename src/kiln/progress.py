"""What people see on stderr while a run works: live bars on a terminal, one line per change otherwise."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from kiln import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kiln.clock import Clock


class Reporter(Protocol):
    """Listens to a run."""

    def phase(self, name: str) -> Any:
        """Return a context manager around a phase."""

    def line(self, text: str) -> None:
        """Show one change."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def duration(seconds: float) -> str:
    """Return `1:05` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Lines:
    """One line per change: `  0:12 launch     cluster j-…: STARTING`."""

    def __init__(self, clock: Clock, expected: Mapping[str, float]) -> None:
        self._clock = clock
        self._expected = expected
        self._started = clock.monotonic()
        self._phase = ""

    def line(self, text: str) -> None:
        """Write it, with the run's age and the phase."""
        age = duration(self._clock.monotonic() - self._started)
        terminal.err(f"{age:>7} {self._phase:<10} {text}".rstrip())

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Say when it starts and how it ends."""
        self._phase, started = name, self._clock.monotonic()
        expected = self._expected.get(name)
        self.line(f"started (last time {duration(expected)})" if expected else "started")
        try:
            yield
        except BaseException:
            self.line(f"failed after {duration(self._clock.monotonic() - started)}")
            raise
        else:
            self.line(f"done in {duration(self._clock.monotonic() - started)}")
        finally:
            self._phase = ""

    def close(self) -> None:
        """Nothing was changed."""


class Bars:
    """A bar for the running phase, with elapsed and expected time, below the lines of what changed."""

    def __init__(self, clock: Clock, expected: Mapping[str, float]) -> None:
        from rich.console import Console  # noqa: PLC0415  # 40 ms that only a terminal has to pay
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._clock = clock
        self._expected = expected
        self._phase = ""
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✔[/]"),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}[/]"),
            console=Console(stderr=True, highlight=False),
        )
        self._progress.start()

    def line(self, text: str) -> None:
        """Print it above the bars."""
        from rich.markup import escape  # noqa: PLC0415  # rich is loaded already

        phase = f"[dim]{self._phase}[/] " if self._phase else ""
        self._progress.console.print(f"  {phase}{escape(text)}", soft_wrap=True)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Draw a bar that fills in the time the phase took last."""
        expected = self._expected.get(name)
        note = f"last time {duration(expected)}" if expected else ""
        task = self._progress.add_task(name, total=expected, note=note)
        started, self._phase = self._clock.monotonic(), name
        self._advance(task, started, expected)
        try:
            yield
        except BaseException:
            self._progress.update(task, description=f"[red]{name}[/]", note="[red]failed[/]")
            self._progress.stop_task(task)
            raise
        else:
            self._progress.update(task, total=1, completed=1)
            self._progress.stop_task(task)
        finally:
            self._phase = ""
            self._stop = True

    def _advance(self, task: Any, started: float, expected: float | None) -> None:
        import threading  # noqa: PLC0415  # only the bars need it

        self._stop = False

        def fill() -> None:
            wake = threading.Event()
            while not self._stop and expected:
                done = min(self._clock.monotonic() - started, expected * 0.99)
                self._progress.update(task, completed=done)
                wake.wait(0.3)

        threading.Thread(target=fill, daemon=True).start()

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()


def reporter(clock: Clock, expected: Mapping[str, float]) -> Reporter:
    """Return what suits stderr."""
    return Bars(clock, expected) if sys.stderr.isatty() else Lines(clock, expected)
