"""What functions that touch the world are handed: the door to AWS, the clock, the stop signal, a listener."""

from __future__ import annotations

import random
import signal
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kiln.errors import InterruptedRunError
from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.clock import Clock
    from kiln.effects import Effects


class Stop:
    """A wish to stop, made by a signal handler and noticed at the next safe moment.

    Signals never cut an AWS call in half: the answer of a launch must not be lost.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal: int | None = None
        self.count = 0

    def request(self, number: int) -> None:
        """Remember the first signal and wake whoever waits."""
        self.count += 1
        if self.signal is None:
            self.signal = number
        self.event.set()

    def check(self) -> None:
        """Raise InterruptedRunError (exit 130 or 143) once a signal has come."""
        if self.signal is None:
            return
        name = signal.Signals(self.signal).name
        code = ExitCode.TERMINATED if self.signal == signal.SIGTERM else ExitCode.INTERRUPTED
        raise InterruptedRunError(f"stopped by {name}", exit_code=code)


def _silent(_line: str) -> None:
    """Drop a line that nobody listens to."""


@dataclass(frozen=True)
class Context:
    """`tell` gets one line per change; it is what a person sees below the running phase."""

    effects: Effects
    clock: Clock
    stop: Stop = field(default_factory=Stop)
    tell: Callable[[str], None] = _silent
    # Jitter only: nothing here is a secret.
    random: random.Random = field(default_factory=random.Random)

    def unstoppable(self) -> Context:
        """Return the same world for a teardown, which a second Ctrl-C must not cut short."""
        return replace(self, stop=Stop())
