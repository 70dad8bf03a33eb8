"""Processes that belong to one Airflow: also those that a killed scheduler has left.

Tasks are in sessions of their own, and found by their environment. Workers change their title, by which the
kernel loses their environment, and are found by the session of the scheduler that started them.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_POLL_SECONDS = 0.1
_ZOMBIE = "Z"


def processes_with(named: str, variable: str, value: str | Path) -> list[int]:
    """Return the ids of the processes that have a variable of that value, and one named `named`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process of another user, or one that has just ended, is none of ours.
        with suppress(OSError):
            words = (folder / "environ").read_bytes().split(b"\0")
            has_value = f"{variable}={value}".encode() in words
            if has_value and any(word.startswith(f"{named}=".encode()) for word in words):
                found.append(int(folder.name))
    return [one for one in found if one != os.getpid()]


def processes_in(sessions: Collection[int]) -> list[int]:
    """Return the ids of the processes of these sessions."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The program's name, in parentheses, may hold anything; the session is the fourth word after.
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if after_name[0] != _ZOMBIE and int(after_name[3]) in sessions:
                found.append(int(folder.name))
    return found


def end_processes(find: Callable[[], list[int]], seconds: float) -> None:
    """Send SIGTERM to what `find` returns, and SIGKILL to what is left of it after so many seconds."""
    for one in find():
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while find() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for one in find():
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
