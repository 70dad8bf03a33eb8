"""What identifies this process on its machine, so that another process there can see that it has ended."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat after the name: 3 and 22 in proc_pid_stat(5)


@cache
def machine() -> str:
    """Return what no other running machine or container has; nothing where it cannot be read."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        processes = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # no path: `pid:[4026531836]`
    except OSError:
        return ""
    return hashlib.sha256(f"{boot}{processes}".encode()).hexdigest()[:16]


def started(pid: int) -> str:
    """Return when a process started, in ticks since the machine's; nothing where it cannot be read."""
    fields = _fields(pid)
    return fields[_STARTED] if fields else ""


def has_ended(on_machine: str, pid: int, started_at: str) -> bool:
    """Return whether a process is known to have ended; one of another machine is not."""
    if not (on_machine and started_at) or on_machine != machine() or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    fields = _fields(pid)
    return bool(fields) and (fields[_STATE] in {"Z", "X"} or fields[_STARTED] != started_at)


def _fields(pid: int) -> list[str]:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return []
    return after_name if len(after_name) > _STARTED else []
