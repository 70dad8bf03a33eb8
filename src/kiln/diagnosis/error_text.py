"""The errors in a log: a Python traceback, a Java exception, an ERROR record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from kiln.diagnosis.output_text import JAVA, TAIL, lines_of
from kiln.diagnosis.signs import EXECUTOR

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = "Traceback (most recent call last):"
_SYNTAX = re.compile(r"(?:SyntaxError|IndentationError|TabError): ")
_CAUSE = re.compile(r"Caused by: ")
_MESSAGE_PREFIX = re.compile(r"^(?:: |Caused by: |Exception in thread \S+ )+")
_LOG4J = re.compile(r"\S+ \S+ (?:ERROR|FATAL)\b")
# Where YARN and spark-submit unpack a job on a node: not known to its author.
_JOB_FOLDER = re.compile(r"/mnt\S{0,300}/container_\w{1,80}/|/tmp/spark-[0-9a-f-]{36}/")
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
_LINES = 30
_MOST_FRAMES = 400
_MOST_JAVA_LINES = 6
_SHOWN_FRAMES = 2


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
    heads = [number for number, line in enumerate(lines) if JAVA.match(line) and not _CAUSE.match(line)]
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
