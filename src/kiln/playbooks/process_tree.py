"""Processes that come from another one, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def _parents() -> dict[int, int]:
    """Return pid -> parent's pid of all processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                found[int(entry.name)] = int(after_name[1])
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes that come from `pid`, children before grandchildren."""
    parents, found = _parents(), [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]


def end_descendants(pid: int) -> None:
    """Kill what comes from `pid` until nothing is left. Workers of Ansible have sessions of their own."""
    for _ in range(20):
        left = descendants(pid)
        if not left:
            return
        for one in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
