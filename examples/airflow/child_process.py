"""A program that runs beside this one, writes to a log file, and ends when this program ends."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def dies_with_parent(sent: signal.Signals = signal.SIGTERM) -> tuple[str, ...]:
    """Return the beginning of a command to which the kernel sends that signal when this program is killed."""
    return ("setpriv", "--pdeathsig", sent.name.removeprefix("SIG"), "--")


class ChildProcess:
    """One program; it can be ended, killed and started again."""

    def __init__(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], log: Path
    ) -> None:
        """`name` is for messages. `log` gets what the program prints."""
        self.name, self.log = name, log
        self._command, self._environment = list(command), dict(environment)
        self._child: subprocess.Popen[bytes] | None = None
        # Of all its starts.
        self.sessions: set[int] = set()

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Its process id. Raises LookupError before it has been started."""
        if self._child is None:
            raise LookupError(f"{self.name} has not been started")
        return self._child.pid

    def start(self) -> None:
        """Start it in a session of its own: a Ctrl-C on the terminal is for this program."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.sessions.add(self._child.pid)

    def end(self, sent: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end; `wait` says when it has."""
        if self._child is not None and self.is_running:
            self._child.send_signal(sent)

    def wait(self, seconds: float) -> None:
        """Wait until it has ended; after that many seconds kill it."""
        if self._child is None:
            return
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it with SIGKILL, it alone: programs that it has started go on."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
