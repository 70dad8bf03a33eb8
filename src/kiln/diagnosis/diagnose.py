"""The cause of a failed step on one screen: step log, application, driver, error (docs/aws_facts.md 3.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from kiln.diagnosis import logs
from kiln.emr import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.aws.effects import Cluster, Effects, Step
    from kiln.diagnosis.ssh import Ssh

_HEAD = "Traceback (most recent call last):"
_JAVA = re.compile(r"(?:Exception in thread \S+ |Caused by: )?(?:[a-z]\w*\.)+[\w$]*(?:Exception|Error)\b")
_CAUSE = re.compile(r"Caused by: ")
_LOG4J = re.compile(r"\S+ \S+ (?:ERROR|FATAL)\b")
# Where YARN unpacks a job on a node: says nothing to the one who wrote it.
_CONTAINER_FOLDER = re.compile(r"/mnt\S*/container_\w+/")
_USER_EXIT = "SparkUserAppException: User application exited with"
_LINES = 30
_TAIL = 12
_MOST_FRAMES = 400
_SHOWN_FRAMES = 2
# Nobody reads more of a line on one screen, and a pattern's time may grow with the square of its length.
_LINE_CHARACTERS = 2000
_MOST_NOTES = 5


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong: the lines to show, and the log they come from (empty when no log said anything)."""

    lines: tuple[str, ...]
    address: str
    notes: tuple[str, ...] = ()  # which logs are damaged or were not read as a whole


def _lines_of(text: str) -> list[str]:
    """Return a log's lines, none longer than a screen can show."""
    return [line[:_LINE_CHARACTERS].rstrip() for line in text.splitlines()]


def _block(lines: list[str], start: int) -> list[str]:
    """Return a traceback: its head, indented lines, chained parts, and the line that names the error."""
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith((" ", "\t"))):
        end += 1
    return lines[start : end + 1]


def _wrapped(line: str) -> bool:
    """Tell whether an error only says that something else failed, as Spark's launchers do."""
    return "SparkException: Application application_" in line or "Py4JJavaError" in line


def last_traceback(text: str) -> list[str]:
    """Return the last Python traceback, shortened in its middle when it is long."""
    lines = _lines_of(text)
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
    lines = _lines_of(text)
    heads = [number for number, line in enumerate(lines) if _JAVA.match(line) and not _CAUSE.match(line)]
    if heads:
        return _exception(lines[heads[-1] :])
    records = [number for number, line in enumerate(lines) if _LOG4J.match(line)]
    return lines[records[-1] : records[-1] + _TAIL] if records else []


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


def _own_words(found: Sequence[logs.Log]) -> Callable[[str], list[str]]:
    """Return a search for what a job said itself before it left with an exit code.

    Spark then only reports `User application exited with N`; the job's output is in the container's stdout.
    """
    left = any(_USER_EXIT in log.text for log in found)
    said = {log.text for log in found if "/stdout" in log.address}

    def search(text: str) -> list[str]:
        return [line for line in _lines_of(text) if line][-_TAIL:] if left and text in said else []

    return search


def of_logs(found: Sequence[logs.Log]) -> Cause | None:
    """Return the cause that logs hold: a Python traceback, else the job's last words, else a Java error."""
    own_words = _own_words(found)
    for search in (last_traceback, own_words, last_error):
        for log in found:
            lines = search(log.text)
            if lines:
                return Cause(lines=tuple(lines), address=log.address)
    return None


def of_step(places: Sequence[logs.Source], step_id: str) -> Cause:
    """Return the cause of a step's failure from the first place that has one."""
    fallback: Cause | None = None
    notes: list[str] = []
    for place in places:
        step_logs = place.step(step_id)
        application = logs.application_of(step_logs)
        driver = place.driver(application) if application else []
        notes += [f"{log.address}: {log.note}" for log in (*driver, *step_logs) if log.note]
        cause = of_logs(driver) or of_logs(step_logs)
        if cause is not None:
            return msgspec.structs.replace(cause, notes=tuple(notes[:_MOST_NOTES]))
        fallback = fallback or _tail(step_logs)
    found = fallback or Cause(lines=(), address="")
    return msgspec.structs.replace(found, notes=tuple(notes[:_MOST_NOTES]))


def _tail(found: Sequence[logs.Log]) -> Cause | None:
    """Return the end of the first log that has something: better than nothing."""
    for log in found:
        lines = [line for line in _lines_of(log.text) if line]
        if lines:
            return Cause(lines=tuple(lines[-_TAIL:]), address=log.address)
    return None


def screen(effects: Effects, cluster: Cluster, step: Step, ssh: Ssh) -> list[str]:
    """Return the cause, the logs' addresses and what EMR says, as lines for one screen."""
    cause = of_step(logs.sources(effects, cluster, ssh), step.id)
    lines = [*cause.lines]
    lines += (
        [f"(from {cause.address})"] if cause.address else ["no log says why (S3 gets logs every few minutes)"]
    )
    lines += [f"note: {note}" for note in cause.notes]
    said = steps.failure_text(step).removeprefix(": ")
    lines += [f"EMR says: {said}"] if said else []
    if cluster.log_uri:
        base = f"{cluster.log_uri}{cluster.id}/"
        lines += [f"step logs:      {base}steps/{step.id}/", f"container logs: {base}containers/"]
    return lines
