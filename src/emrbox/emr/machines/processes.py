"""Signals to a process inside a node and to what it started, as the box sees their pids."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

ENTER_SECONDS = 60.0  # how long a process may take to enter its node: a moment, if the machine is not busy


def children(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Return the pids below a process, parents first."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def interrupt_child(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to the command that runs in the node; `process` itself only stands at the node's door."""
    deadline = time.monotonic() + ENTER_SECONDS
    while not (found := children(process.pid)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    for child in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to the command that runs in the node and to all below it; what has detached lives on."""
    for pid in reversed(descendants(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
