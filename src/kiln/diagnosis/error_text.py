"""The signs of a failure in a log: a Python traceback, a Java error, the last lines, an exit code."""

from __future__ import annotations

import re
import signal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from kiln.diagnosis.signs import EXECUTOR

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = "Traceback (most recent call last):"
_SYNTAX = re.compile(r"(?:SyntaxError|IndentationError|TabError): ")
_JAVA = re.compile(r"(?:Exception in thread \S+ |Caused by: )?(?:[a-z]\w*\.)+[\w$]*(?:Exception|Error)\b")
_FRAME = re.compile(r"\s+(?:at \S+\(|\.\.\. \d+ more)")
_CAUSE = re.compile(r"Caused by: ")
_MESSAGE_PREFIX = re.compile(r"^(?:: |Caused by: |Exception in thread \S+ )+")
_LOG4J = re.compile(r"\S+ \S+ (?:ERROR|FATAL)\b")
# Where YARN and spark-submit unpack a job on a node: not known to its author.
_JOB_FOLDER = re.compile(r"/mnt\S{0,300}/container_\w{1,80}/|/tmp/spark-[0-9a-f-]{36}/")
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
# Errors which only report that something else failed: Spark's launchers, Python's bridge to the JVM.
_WRAPPERS = (
    "SparkException: Application application_",
    "SparkException: Exception thrown in awaitResult",
    "SparkUserAppException: User application exited with",
    "Py4JJavaError",
    "Py4JNetworkError",
    "Py4JError: ",
)
_BROKEN_BRIDGE = re.compile(r"(?:ConnectionRefusedError|ConnectionResetError|BrokenPipeError|EOFError)\b")
SIGNALLED = 128
_LINES = 30
TAIL = 12
_MOST_FRAMES = 400
_MOST_JAVA_LINES = 6
_SHOWN_FRAMES = 2
# Of a log; the cause is at its end.
_MOST_LINES = 100_000
# A screen does not show more of a line, and a pattern's time may grow with the square of its length.
_LINE_CHARACTERS = 2000


class Block(NamedTuple):
    """An error in a log.

    `lines` are for the screen, `text` is searched for known causes and may be longer. Not `is_certain`: it
    may only report that something else failed. `role` is EXECUTOR for what an executor's worker raised.
    """

    lines: tuple[str, ...]
    text: str
    headline: str
    is_certain: bool
    role: str = ""


@lru_cache(maxsize=32)
def lines_of(text: str) -> Sequence[str]:
    """Return a log's last lines, none longer than a screen can show."""
    return tuple(line[:_LINE_CHARACTERS].rstrip() for line in text.splitlines()[-_MOST_LINES:])


def written_lines(text: str) -> list[str]:
    """Return the lines of a log that are not empty."""
    return [line for line in lines_of(text) if line]


def _end_of(lines: Sequence[str], start: int) -> int:
    """Return where a traceback ends: after its head, indented lines and the line that names the error."""
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith((" ", "\t"))):
        end += 1
    return end + 1


def _is_wrapper(line: str) -> bool:
    return any(mark in line for mark in _WRAPPERS)


def traceback(text: str) -> Block | None:
    """Return the last Python traceback, or the one of an executor's worker that it reports."""
    lines = lines_of(text)
    heads = [number for number, line in enumerate(lines) if line.strip() == _HEAD]
    if not heads:
        return _syntax_error(lines)
    start = heads[-1]
    end = _end_of(lines, start)
    block = lines[start:end]
    # Java's part of a Py4JJavaError holds the worker's traceback, if a worker raised the error.
    java = lines[end : end + _MOST_FRAMES] if _is_wrapper(block[-1]) else ()
    inner = [number for number, line in enumerate(java) if line.endswith(_HEAD)]
    if inner:
        worker = java[inner[-1] : _end_of(java, inner[-1])]
        return _python_block([_HEAD, *worker[1:]], [], EXECUTOR)
    return _python_block(block, java)


def _python_block(block: Sequence[str], java: Sequence[str], role: str = "") -> Block:
    block = [_JOB_FOLDER.sub("", line) for line in block]
    shown = _java_message(java)
    last = next((line for line in reversed(block) if line.strip()), _HEAD)
    broken = bool(_BROKEN_BRIDGE.match(last)) and any("py4j" in line for line in block)
    java_causes = [line for line in shown if not _is_wrapper(line)]
    headline = java_causes[-1] if _is_wrapper(last) and java_causes else last
    return Block(
        lines=tuple(_fitting([*block, *shown])),
        text="\n".join([*block[-_MOST_FRAMES:], *java]),
        headline=_MESSAGE_PREFIX.sub("", headline, count=1),
        is_certain=not broken and (not _is_wrapper(last) or bool(java_causes)),
        role=role,
    )


def _syntax_error(lines: Sequence[str]) -> Block | None:
    """Return the error of a file that Python cannot compile: it has no traceback, only file and line."""
    for number in range(len(lines) - 1, -1, -1):
        if _SYNTAX.match(lines[number]):
            start = next((n for n in range(number, max(-1, number - 5), -1) if "File " in lines[n]), number)
            return _python_block(lines[start : number + 1], [])
    return None


def _fitting(block: Sequence[str]) -> Sequence[str]:
    if len(block) <= _LINES:
        return block
    half = _LINES // 2
    return [*block[:half], f"    … {len(block) - 2 * half} lines …", *block[-half:]]


def _java_message(java: Sequence[str]) -> list[str]:
    """Return the Java error and its causes that follow a Py4JJavaError, without stack frames."""
    found = []
    for line in java:
        if line.startswith(("Traceback", "Driver stacktrace")):
            break
        if not line.startswith("\t") and (": " in line or line.startswith("Caused by")):
            found.append(line.rstrip())
    return found[:_MOST_JAVA_LINES]


def java_error(text: str) -> Block | None:
    """Return the last Java exception (its causes, little of its stack), else the last ERROR record."""
    lines = lines_of(text)
    heads = [number for number, line in enumerate(lines) if _JAVA.match(line) and not _CAUSE.match(line)]
    if heads:
        return _java_block(lines[heads[-1] :])
    records = [number for number, line in enumerate(lines) if _LOG4J.match(line)]
    if not records:
        return None
    shown = lines[records[-1] : records[-1] + TAIL]
    return Block(tuple(shown), "\n".join(shown), shown[0], is_certain=False)


def _java_block(lines: Sequence[str]) -> Block:
    """Keep the message, two frames of where it was thrown, and each cause; the deepest is the headline."""
    found, frames = [lines[0]], 0
    for line in lines[1:_MOST_FRAMES]:
        if _CAUSE.match(line):
            found, frames = [*found, line], 1
        elif not line.startswith(("\t", " ")):
            break
        elif frames < _SHOWN_FRAMES:
            found, frames = [*found, line], frames + 1
    shown = found[:_LINES]
    causes = [line for line in found if not line.startswith(("\t", " ")) and not _is_wrapper(line)]
    # What ends the main thread is the job's own error; others may be logged and survived.
    certain = lines[0].startswith("Exception in thread") and not _is_wrapper(lines[0])
    headline = _MESSAGE_PREFIX.sub("", (causes or shown)[-1], count=1)
    return Block(tuple(shown), "\n".join(found), headline, is_certain=certain)


def is_wrapper(block: Block) -> bool:
    """Return whether an error says nothing but that something else failed."""
    return _is_wrapper(block.headline)


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
    foreign = (_RECORD, _JAVA, _FRAME, _NOISE)
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
