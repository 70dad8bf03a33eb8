"""Who a run reports to while it works."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


# After so long without a line a log gets one that says what goes on: its readers see that the command lives.
QUIET_SECONDS = 300.0


class Reporter(Protocol):
    """Shows what a run does. kiln.display.progress has the two for terminal and log."""

    def phase(self, name: str) -> Any:
        """Return a context manager around a phase."""

    def line(self, text: str) -> None:
        """Show one change."""

    def now(self, text: str) -> None:
        """Show what the phase is at, where that can be shown without a line."""

    def tick(self) -> None:
        """Show, at times, that the work goes on. It is called again and again, whatever has changed."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def phase(self, _name: str) -> Iterator[None]:
        """Show nothing around the work."""
        yield

    def line(self, text: str) -> None:
        """Show no change."""

    def now(self, text: str) -> None:
        """Show not what the phase is at."""

    def tick(self) -> None:
        """Show not that the work goes on."""

    def close(self) -> None:
        """Leave the terminal as it is."""


class Unfailing:
    """Another reporter, none of whose faults reaches the run: a cluster ends whatever can be shown."""

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Show a phase around the work, which happens in any case."""
        shown = ExitStack()
        with suppress(Exception):
            shown.enter_context(self._inner.phase(name))
        try:
            yield
        except BaseException as error:
            # The reporter raises the work's own error again.
            with suppress(Exception):
                shown.__exit__(type(error), error, error.__traceback__)
            raise
        with suppress(Exception):
            shown.close()

    def line(self, text: str) -> None:
        """Show one change."""
        with suppress(Exception):
            self._inner.line(text)

    def now(self, text: str) -> None:
        """Show what the phase is at."""
        with suppress(Exception):
            self._inner.now(text)

    def tick(self) -> None:
        """Show, at times, that the work goes on."""
        with suppress(Exception):
            self._inner.tick()

    def close(self) -> None:
        """Leave the terminal as it was."""
        with suppress(Exception):
            self._inner.close()
