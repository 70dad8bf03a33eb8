"""The cause of a failed step on one screen: step log, application, driver, error (docs/aws_facts.md 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln.diagnosis import error_text, logs, places
from kiln.emr import step_endings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.aws.effects import Cluster, Effects, Step
    from kiln.diagnosis.ssh import Ssh

_MOST_NOTES = 5
# spark-submit leaves with 1 for every error of its own, and Hadoop's tools with 1 or -1.
_GENERAL_CODES = frozenset({0, 1, 255})


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """The cause of a failure: the lines to show, and the log they come from (empty when there is none)."""

    lines: tuple[str, ...]
    address: str
    notes: tuple[str, ...] = ()  # which logs are damaged or were not read as a whole


def of_logs(found: Sequence[logs.Log], code: int | None = None) -> Cause | None:
    """Return the cause that logs hold: a Python traceback, the job's last words, or a Java error.

    `code` is what the process left with. After one that only the job itself can have chosen, its own
    last lines count more than the errors that Spark logs after it.
    """
    cause = _first(found, error_text.last_traceback)
    if cause is None and code is not None and code not in _GENERAL_CODES:
        cause = _last_words(found, code)
    return cause or _first(found, error_text.last_error)


def _first(found: Sequence[logs.Log], search: Callable[[str], list[str]]) -> Cause | None:
    for log in found:
        lines = search(log.text)
        if lines:
            return Cause(lines=tuple(lines), address=log.address)
    return None


def _last_words(found: Sequence[logs.Log], code: int | None) -> Cause | None:
    """Return what the job wrote last to stdout and stderr, and its exit code."""
    streams = [log for log in found if _stream(log) in {"stdout", "stderr"}]
    # A script writes its errors to stderr. Spark logs there: its jobs rather print.
    prints = any(error_text.has_records(log.text) for log in streams)
    streams.sort(key=lambda log: _stream(log) == ("stderr" if prints else "stdout"))
    written = [log for log in streams if error_text.own_words(log.text, 1)]
    most = error_text.TAIL // max(1, min(2, len(written)))
    lines = [line for log in written[:2] for line in error_text.own_words(log.text, most)]
    if not lines:
        return None
    if code:
        lines.append(error_text.exit_line(code))
    return Cause(lines=tuple(lines), address=" and ".join(log.address for log in written[:2]))


def _stream(log: logs.Log) -> str:
    return log.address.rpartition("/")[2].partition(".")[0]


def _exit_code(driver: Sequence[logs.Log], step: Sequence[logs.Log]) -> tuple[int | None, int | None]:
    """Return the codes of a job's driver and of the step's process, where a log has them."""
    left = [code for log in (*driver, *step) if (code := error_text.user_exit(log.text)) is not None]
    ended = [code for log in step if (code := error_text.step_exit(log.text)) is not None]
    return (left[-1] if left else None), (ended[-1] if ended else None)


def of_step(sources: Sequence[logs.Source], step_id: str) -> Cause:
    """Return the cause of a step's failure from the first place that has one."""
    fallback: Cause | None = None
    notes: list[str] = []
    for place in sources:
        step_logs = place.step(step_id)
        application = logs.application_of(step_logs)
        driver = place.driver(application) if application else []
        notes += [f"{log.address}: {log.note}" for log in (*driver, *step_logs) if log.note]
        left, ended = _exit_code(driver, step_logs)
        cause = of_logs(driver, left) or of_logs(step_logs, None if driver else ended)
        if cause is not None:
            return msgspec.structs.replace(cause, notes=tuple(notes[:_MOST_NOTES]))
        fallback = fallback or _last_words(step_logs, ended) or _tail(step_logs)
    found = fallback or Cause(lines=(), address="")
    return msgspec.structs.replace(found, notes=tuple(notes[:_MOST_NOTES]))


def _tail(found: Sequence[logs.Log]) -> Cause | None:
    """Return the end of the first log that has something: better than nothing."""
    for log in found:
        lines = [line for line in error_text.lines_of(log.text) if line]
        if lines:
            return Cause(lines=tuple(lines[-error_text.TAIL :]), address=log.address)
    return None


def screen(effects: Effects, cluster: Cluster, step: Step, ssh: Ssh) -> list[str]:
    """Return the cause, the logs' addresses and EMR's own reason, as lines for one screen."""
    cause = of_step(places.sources(effects, cluster, ssh), step.id)
    lines = [*cause.lines]
    lines += (
        [f"(from {cause.address})"]
        if cause.address
        else ["no log has the cause (S3 gets logs every 5 minutes)"]
    )
    lines += [f"note: {note}" for note in cause.notes]
    reported = step_endings.failure_text(step).removeprefix(": ")
    lines += [f"EMR's reason: {reported}"] if reported else []
    if cluster.log_uri:
        base = f"{cluster.log_uri}{cluster.id}/"
        lines += [f"step logs:      {base}steps/{step.id}/", f"container logs: {base}containers/"]
    return lines
