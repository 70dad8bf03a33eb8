"""What may be the cause in a step's logs, as functions, and the order in which they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln.diagnosis import error_text, matching, output_text
from kiln.diagnosis.cause import Cause, masked, shortened
from kiln.diagnosis.known_causes import KINDS
from kiln.diagnosis.signs import DRIVER, EXECUTOR
from kiln.diagnosis.step_logs import stream_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.diagnosis.error_text import Block
    from kiln.diagnosis.logs import Log
    from kiln.diagnosis.matching import Found
    from kiln.diagnosis.step_logs import StepLogs

# spark-submit leaves with 1 for every error of its own, and Hadoop's tools with 1 or -1.
_GENERAL_CODES = frozenset({0, 1, 255})
_LINES_BEFORE, _LINES_AFTER = 2, 5
_CHARACTERS_AROUND = 4000


def of_kind(kind: str, headline: str, lines: Sequence[str] = (), address: str = "") -> Cause:
    """Return a cause with what the table of known causes has about its kind."""
    row = KINDS[kind]
    return Cause(
        kind=kind,
        headline=shortened(headline) or row.meaning,
        advice=row.advice,
        lines=tuple(masked(line) for line in lines),
        failure_class=row.failure_class,
        address=address,
    )


def with_advice(cause: Cause, kind: str) -> Cause:
    """Return a cause with the advice of another kind that it turned out to be of, too."""
    row = KINDS[kind]
    return msgspec.structs.replace(cause, advice=row.advice, failure_class=row.failure_class)


def _of_block(block: Block, log: Log, generic: str, role: str) -> Cause:
    known = matching.in_error(block.text, block.role or role)
    kind, headline = (known.kind, known.headline) if known else (generic, block.headline)
    return of_kind(kind, headline, block.lines, log.address)


def _traceback(found: StepLogs) -> Cause | None:
    """Return a Python traceback that names the error: the job's own comes before all else."""
    shown = [
        _of_block(block, log, "python_exception", DRIVER)
        for log in (*found.driver, *found.rest)
        if (block := error_text.traceback(log.text)) is not None and block.is_certain
    ]
    # A second attempt of the driver may only find what the first one has left.
    return next((cause for cause in shown if cause.kind != "output_exists"), shown[0] if shown else None)


def _own_code(found: StepLogs) -> Cause | None:
    """Return the last words before an exit code that the job itself has chosen."""
    code = found.code
    if code is None or code in _GENERAL_CODES or code > output_text.SIGNALLED:
        return None
    return _last_words(found, code)


def _thrown(found: StepLogs) -> Cause | None:
    """Return a Java exception that ended the job, or one of a known cause."""
    for log in (*found.driver, *found.rest):
        block = error_text.java_error(log.text)
        if block is None or error_text.is_wrapper(block):
            continue
        if block.is_certain or matching.in_error(block.text, DRIVER):
            return _of_block(block, log, "java_exception", DRIVER)
    return None


def _shown_anywhere(found: StepLogs) -> Cause | None:
    """Return a line of a known cause: from the driver, from the step, then from executors."""
    return _search(found.driver, DRIVER) or _search(found.rest, "") or _search(found.executors, EXECUTOR)


def _consequence(found: StepLogs) -> Cause | None:
    """Return a line that shows what happened, and not why."""
    return _search((*found.driver, *found.rest), DRIVER, vague=True)


def _search(searched: Sequence[Log], role: str, *, vague: bool = False) -> Cause | None:
    for log in searched:
        shown = matching.in_log(log.text, role, vague=vague)
        if shown is not None:
            return of_kind(shown.kind, shown.headline, _around(log.text, shown), log.address)
    return None


def _around(text: str, shown: Found) -> list[str]:
    before = output_text.lines_of(text[max(0, shown.start - _CHARACTERS_AROUND) : shown.start])
    after = output_text.lines_of(text[shown.start : shown.start + _CHARACTERS_AROUND])
    return [*before[-_LINES_BEFORE:], *after[: _LINES_AFTER + 1]]


def _killed(found: StepLogs) -> Cause | None:
    """Return the signal that ended the process."""
    code = found.code
    if code is None or code <= output_text.SIGNALLED:
        return None
    said = _last_words(found, code)
    lines = said.lines if said else (output_text.exit_line(code),)
    address = said.address if said else _with_code(found)
    return of_kind("killed", output_text.exit_line(code), lines, address)


def _with_code(found: StepLogs) -> str:
    """Return the log that has the exit code."""
    has = (output_text.user_exit, output_text.step_exit)
    read = (*found.containers, *found.step)
    return next(log.address for log in read if any(one(log.text) is not None for one in has))


def _any_error(found: StepLogs) -> Cause | None:
    """Return any error at all."""
    for log in (*found.driver, *found.rest):
        block = error_text.java_error(log.text)
        if block is not None and not error_text.is_wrapper(block):
            return _of_block(block, log, "java_exception", DRIVER)
    for log in (*found.driver, *found.rest):
        block = error_text.traceback(log.text)
        if block is not None:
            return _of_block(block, log, "python_exception", DRIVER)
    return None


# The first that finds something decides.
FINDERS: tuple[Callable[[StepLogs], Cause | None], ...] = (
    _traceback,
    _own_code,
    _thrown,
    _shown_anywhere,
    _consequence,
    _killed,
    _any_error,
)


def _written(found: StepLogs) -> list[Log]:
    """Return the job's own streams that have words of its own; the one with its errors is the last."""
    streams = [log for log in found.driver if stream_of(log) in {"stdout", "stderr"}]
    # A script writes its errors to stderr. Spark logs there: its jobs rather print.
    prints = any(output_text.has_records(log.text) for log in streams)
    streams.sort(key=lambda log: stream_of(log) == ("stdout" if prints else "stderr"))
    return [log for log in streams if output_text.own_words(log.text, 1)][-2:]


def _last_words(found: StepLogs, code: int | None) -> Cause | None:
    """Return what the job wrote last to stdout and stderr, and its exit code."""
    written = _written(found)
    most = output_text.TAIL // max(1, len(written))
    lines = [line for log in written for line in output_text.own_words(log.text, most)]
    if not lines:
        return None
    known = matching.in_error("\n".join(lines), DRIVER)
    said = f"{output_text.exit_line(code)}: {lines[-1].strip()}" if code else lines[-1]
    kind = known.kind if known else "exit_code" if code else "last_output"
    address = " and ".join(log.address for log in written)
    return of_kind(kind, known.headline if known else said, lines, address)


def last_output(found: StepLogs) -> Cause | None:
    """Return the end of what was written: better than nothing."""
    said = _last_words(found, found.code)
    if said is not None:
        return said
    for log in (*found.driver, *found.rest):
        lines = [line for line in output_text.lines_of(log.text) if line]
        if lines:
            return of_kind("last_output", lines[-1], lines[-output_text.TAIL :], log.address)
    return None


def last_lines(found: StepLogs, state: str) -> Cause | None:
    """Return the last lines of what a step wrote, log records too: they show where it was."""
    streams = [log for log in found.driver if log.text.strip()]
    most = output_text.TAIL // max(1, min(2, len(streams)))
    lines = [line for log in streams[:2] for line in output_text.written_lines(log.text)[-most:]]
    if not lines:
        return None
    address = " and ".join(log.address for log in streams[:2])
    return of_kind("stopped", f"the step is {state}; its last output: {lines[-1].strip()}", lines, address)
