"""Live bars on a terminal: one row for each phase, above them the lines of what changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID, TextColumn
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Column
from rich.text import Text

from kiln import printable
from kiln.display import terminal
from kiln.display.duration import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType
    from rich.progress import Task

    from kiln.clock import Clock

_WAITING, _RUNNING, _DONE, _FAILED = "waiting", "running", "done", "failed"
_MARKS = {_WAITING: ("·", "dim"), _DONE: ("✔", "green"), _FAILED: ("✘", "red")}
_WIDTH = 24
# A phase that takes longer than last time must not be shown as done.
_ALMOST = 0.99


class _Mark(ProgressColumn):
    """What a phase is doing, as one sign."""

    def __init__(self) -> None:
        super().__init__()
        self._spinner = Spinner("dots")

    def render(self, task: Task) -> RenderableType:
        state = task.fields["state"]
        if state == _RUNNING:
            return self._spinner.render(task.get_time())
        return Text(*_MARKS[state])


class _Fill(ProgressColumn):
    """A bar that fills in the time that the phase took last; it swings when that is unknown."""

    def render(self, task: Task) -> RenderableType:
        state, elapsed = task.fields["state"], task.elapsed or 0.0
        if state == _WAITING:
            return Text("")
        if state == _DONE:
            return ProgressBar(total=1, completed=1, width=_WIDTH)
        share = min(elapsed / task.total, _ALMOST) if task.total else 0.0
        swings = state == _RUNNING and not task.total
        return ProgressBar(
            total=1, completed=share, width=_WIDTH, pulse=swings, animation_time=task.get_time()
        )


class _Took(ProgressColumn):
    """How long a phase has been at work."""

    def render(self, task: Task) -> RenderableType:
        return Text(duration(task.elapsed) if task.elapsed is not None else "", justify="right")


class Bars:
    """Draws a run. `names` are the phases that will come, `expected` their seconds last time."""

    def __init__(
        self,
        clock: Clock,
        expected: Mapping[str, float],
        names: Sequence[str],
        console: Console | None = None,
    ) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._expected = expected
        # Steps may run side by side: the phases that have begun and not ended, the latest last.
        self._open: list[str] = []
        self._progress = Progress(
            _Mark(),
            # No markup anywhere: tasks, tags and messages are other people's text.
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=10, no_wrap=True)),
            _Fill(table_column=Column(width=_WIDTH)),
            _Took(table_column=Column(min_width=5, justify="right")),
            TextColumn(
                "{task.fields[note]}",
                markup=False,
                style="dim",
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=console or Console(file=terminal.err_stream(), highlight=False),
            expand=True,
        )
        self._rows = {name: self._row(name) for name in names}
        self._progress.start()

    def _row(self, name: str) -> TaskID:
        expected = self._expected.get(name)
        note = f"last time {duration(expected)}" if expected else ""
        shown = printable.line_of(name)
        return self._progress.add_task(shown, total=expected, start=False, state=_WAITING, note=note)

    @property
    def _phase(self) -> str:
        return self._open[-1] if self._open else ""

    def line(self, text: str) -> None:
        """Print it above the bars, with the run's age and the phase."""
        age = duration(self._clock.monotonic() - self._started)
        head = (f"{age:>7} {printable.line_of(self._phase):<10}", "dim")
        self._progress.console.print(Text.assemble(head, " ", printable.line_of(text)), soft_wrap=True)

    def now(self, text: str) -> None:
        """Show what the phase is at, behind its bar."""
        if self._phase:
            self._progress.update(self._rows[self._phase], note=printable.line_of(text))

    def tick(self) -> None:
        """Do nothing: the bars show it."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Start a phase's row, and mark how it ended."""
        if name not in self._rows:
            self._rows[name] = self._row(name)
        row = self._rows[name]
        self._progress.start_task(row)
        self._progress.update(row, state=_RUNNING)
        self._open.append(name)
        state = _FAILED
        try:
            yield
            state = _DONE
        finally:
            self._progress.stop_task(row)
            self._progress.update(row, state=state, note="")
            self._open.remove(name)

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()
