"""The signs of a failure in a log: a Python traceback, a Java error, the last lines, an exit code."""

from __future__ import annotations

import re
import signal

_HEAD = "Traceback (most recent call last):"
_JAVA = re.compile(r"(?:Exception in thread \S+ |Caused by: )?(?:[a-z]\w*\.)+[\w$]*(?:Exception|Error)\b")
_FRAME = re.compile(r"\s+(?:at \S+\(|\.\.\. \d+ more)")
_CAUSE = re.compile(r"Caused by: ")
_LOG4J = re.compile(r"\S+ \S+ (?:ERROR|FATAL)\b")
# Where YARN unpacks a job on a node: not known to its author.
_CONTAINER_FOLDER = re.compile(r"/mnt\S*/container_\w+/")
# Spark's words for the driver of a job, EMR's for the process of a step.
_USER_EXIT = re.compile(r"User application exited with(?: status)? (\d{1,3})\b")
_STEP_EXIT = re.compile(r"Execution failed with code '(\d{1,3})'")
_RECORD = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ")
_SIGNALLED = 128
_LINES = 30
TAIL = 12
_MOST_FRAMES = 400
_SHOWN_FRAMES = 2
# A screen does not show more of a line, and a pattern's time may grow with the square of its length.
_LINE_CHARACTERS = 2000


def lines_of(text: str) -> list[str]:
    """Return a log's lines, none longer than a screen can show."""
    return [line[:_LINE_CHARACTERS].rstrip() for line in text.splitlines()]


def _block(lines: list[str], start: int) -> list[str]:
    """Return a traceback: its head, indented lines, chained parts, and the line that names the error."""
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith((" ", "\t"))):
        end += 1
    return lines[start : end + 1]


def _wrapped(line: str) -> bool:
    """Return whether an error only reports that something else failed, as Spark's launchers do."""
    return "SparkException: Application application_" in line or "Py4JJavaError" in line


def last_traceback(text: str) -> list[str]:
    """Return the last Python traceback, shortened in its middle when it is long."""
    lines = lines_of(text)
    starts = [number for number, line in enumerate(lines) if line.strip() == _HEAD]
    if not starts:
        return []
    block = [_CONTAINER_FOLDER.sub("", line) for line in _block(lines, starts[-1])]
    java = _java_message(lines, starts[-1] + len(block) - 1) if _wrapped(block[-1]) else []
    block += java
    if len(block) <= _LINES:
        return block
    half = _LINES // 2
    return [*block[:half], f"    … {len(block) - 2 * half} lines …", *block[-half:]]


def _java_message(lines: list[str], start: int) -> list[str]:
    """Return the Java error and its causes that follow a Py4JJavaError, without stack frames."""
    found = []
    for line in lines[start + 1 : start + 200]:
        if line.startswith(("Traceback", "Driver stacktrace")):
            break
        if not line.startswith(("\tat ", "\t...")) and (": " in line or line.startswith("Caused by")):
            found.append(line.rstrip())
    return found[:6]


def last_error(text: str) -> list[str]:
    """Return the last Java exception (its causes, little of its stack), else the last ERROR record."""
    lines = lines_of(text)
    heads = [number for number, line in enumerate(lines) if _JAVA.match(line) and not _CAUSE.match(line)]
    if heads:
        return _exception(lines[heads[-1] :])
    records = [number for number, line in enumerate(lines) if _LOG4J.match(line)]
    return lines[records[-1] : records[-1] + TAIL] if records else []


def _exception(lines: list[str]) -> list[str]:
    """Keep the message, two frames of where it was thrown, and each cause."""
    found, frames = [lines[0]], 0
    for line in lines[1:_MOST_FRAMES]:
        if _CAUSE.match(line):
            found, frames = [*found, line], 1
        elif not line.startswith(("\t", " ")):
            break
        elif frames < _SHOWN_FRAMES:
            found, frames = [*found, line], frames + 1
    return found[:_LINES]


def user_exit(text: str) -> int | None:
    """Return the code that a job's driver left with, as Spark reports it."""
    found = _USER_EXIT.findall(text)
    return int(found[-1]) if found else None


def step_exit(text: str) -> int | None:
    """Return the code that a step's process left with, as EMR's controller reports it."""
    found = _STEP_EXIT.findall(text)
    return int(found[-1]) if found else None


def exit_line(code: int) -> str:
    """Return an exit code as a line for people; above 128 it is a signal's number, as in a shell."""
    try:
        name = signal.Signals(code - _SIGNALLED).name if code > _SIGNALLED else ""
    except ValueError:
        name = ""
    cause = {"SIGKILL": ": often for lack of memory"}.get(name, "")
    return f"exited with status {code}" + (f" (killed by {name}{cause})" if name else "")


def own_words(text: str, most: int) -> list[str]:
    """Return the last lines that the job wrote itself: no log records of Spark or Hadoop, no Java errors."""
    foreign = (_RECORD, _JAVA, _FRAME)
    return [line for line in lines_of(text) if line and not any(one.match(line) for one in foreign)][-most:]


def has_records(text: str) -> bool:
    """Return whether Spark or Hadoop logs into this text."""
    return any(_RECORD.match(line) for line in lines_of(text))
