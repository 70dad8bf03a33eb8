"""What a process wrote and left with: the lines of a log, the job's own ones, exit codes and signals."""

from __future__ import annotations

import re
import signal
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

JAVA = re.compile(r"(?:Exception in thread \S+ |Caused by: )?(?:[a-z]\w*\.)+[\w$]*(?:Exception|Error)\b")
FRAME = re.compile(r"\s+(?:at \S+\(|\.\.\. \d+ more)")
# Spark's words for the driver of a job, YARN's for its container, EMR's for the process of a step.
_USER_EXIT = re.compile(r"User application exited with(?: status)? (\d{1,3})\b")
_CONTAINER_EXIT = re.compile(r"AM Container for \w{1,80} exited with\s{1,3}exitCode: (\d{1,3})\b")
_STEP_EXIT = re.compile(r"Execution failed with code '(\d{1,3})'")
_RECORD = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ")
# What Spark's application master and the JVM write beside log records.
_CONTEXT_START, _CONTEXT_END = (
    re.compile(r"(?:Default )?YARN executor launch context:"),
    re.compile(r"={20,}$"),
)
_NOISE = re.compile(r"={20,}$|WARNING: Using incubator modules|OpenJDK 64-Bit Server VM warning")
SIGNALLED = 128
TAIL = 12
# Of a log; the cause is at its end.
_MOST_LINES = 100_000
# A screen does not show more of a line, and a pattern's time may grow with the square of its length.
_LINE_CHARACTERS = 2000


@lru_cache(maxsize=32)
def lines_of(text: str) -> Sequence[str]:
    """Return a log's last lines, none longer than a screen can show."""
    return tuple(line[:_LINE_CHARACTERS].rstrip() for line in text.splitlines()[-_MOST_LINES:])


def written_lines(text: str) -> list[str]:
    """Return the lines of a log that are not empty."""
    return [line for line in lines_of(text) if line]


def user_exit(text: str) -> int | None:
    """Return the code that a job's driver left with, as Spark or YARN reports it."""
    found = _USER_EXIT.findall(text)
    ended = [code for code in _CONTAINER_EXIT.findall(text) if int(code) > SIGNALLED]
    return int((found or ended)[-1]) if found or ended else None


def step_exit(text: str) -> int | None:
    """Return the code that a step's process left with, as EMR's controller reports it."""
    found = _STEP_EXIT.findall(text)
    return int(found[-1]) if found else None


def exit_line(code: int) -> str:
    """Return an exit code as a line for people; above 128 it is a signal's number, as in a shell."""
    try:
        name = signal.Signals(code - SIGNALLED).name if code > SIGNALLED else ""
    except ValueError:
        name = ""
    cause = {"SIGKILL": ": often for lack of memory"}.get(name, "")
    return f"exited with status {code}" + (f" (killed by {name}{cause})" if name else "")


def own_words(text: str, most: int) -> list[str]:
    """Return the last lines that the job wrote itself: nothing that Spark, Hadoop or the JVM wrote."""
    foreign = (_RECORD, JAVA, FRAME, _NOISE)
    kept, in_context = [], False
    for line in lines_of(text):
        if _CONTEXT_START.match(line):
            in_context = True
        elif in_context:
            in_context = not _CONTEXT_END.match(line)
        elif line and not any(one.match(line) for one in foreign):
            kept.append(line)
    return kept[-most:]


def has_records(text: str) -> bool:
    """Return whether Spark or Hadoop logs into this text."""
    return any(_RECORD.match(line) for line in lines_of(text))
