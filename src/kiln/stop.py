"""A request to stop, made by a signal handler or a heartbeat and noticed at the next safe moment."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from kiln.errors import InterruptedRunError
from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from kiln.errors import KilnError


class Stop:
    """A request to stop. Signals never interrupt an AWS call: the answer of a launch must not be lost."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal: int | None = None
        self.reason: KilnError | None = None
        self.count = 0

    def request(self, number: int) -> None:
        """Remember the first signal and end every wait."""
        self.count += 1
        if self.signal is None:
            self.signal = number
        self.event.set()

    def request_because(self, reason: KilnError) -> None:
        """Remember the first reason and end every wait. A signal that came before counts more."""
        if self.reason is None:
            self.reason = reason
        self.event.set()

    def check(self) -> None:
        """Raise InterruptedRunError (exit 130 or 143) once a signal has come, or the reason of a request."""
        if self.signal is None:
            if self.reason is not None:
                raise self.reason
            return
        name = signal.Signals(self.signal).name
        code = ExitCode.TERMINATED if self.signal == signal.SIGTERM else ExitCode.INTERRUPTED
        raise InterruptedRunError(f"stopped by {name}", exit_code=code)
