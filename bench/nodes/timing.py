"""Run one command and measure it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from nodes.figures import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_SECONDS = 900
_LAST_LINES = 15


class Command(NamedTuple):
    """What is run, and the variables that it has beside those of this process."""

    argv: list[str]
    environment: Mapping[str, str]


def measured(command: Command, folder: Path, log: Path) -> Sample:
    """Run a command in a folder to its end. RuntimeError with the end of its output when it fails.

    What others have written is put on the disk before, so that nobody waits for that.
    """
    os.sync()
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command.argv,
            cwd=folder,
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code, usage = _ended(process)
        seconds = time.monotonic() - started
    if code != 0:
        said = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        raise RuntimeError("\n".join([f"{' '.join(command.argv[:3])}: exit code {code}", *said]))
    return Sample(seconds=round(seconds, 3), cpu_seconds=round(usage, 3))


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Wait for a process; return its exit code and the processor time of it and of all that it waited for."""

    def end(*_: object) -> None:
        os.killpg(process.pid, signal.SIGKILL)

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(MOST_SECONDS)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        end()
        raise
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime
