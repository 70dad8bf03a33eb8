"""Which line of which bootstrap action failed, from the logs in S3 (docs/aws_facts.md 3.2)."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln.diagnosis import finders, matching, output_text
from kiln.diagnosis.stored_logs import StoredLogs
from kiln.emr import clusters, states, waiting
from kiln.errors import KilnError, LaunchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Effects
    from kiln.diagnosis.cause import Cause
    from kiln.diagnosis.logs import Log

# How long a failed launch waits for logs: EMR pushes them while it ends the cluster.
_LOGS_SECONDS = 60.0
_INTERVAL_SECONDS = 5.0
_NODE = re.compile(r"\b(i-[0-9a-f]{8,17})\b")
# The nodes that EMR names; more of them show the same.
_MOST_NODES = 3
_FILE = re.compile(r"/(?P<node>i-[0-9a-f]{8,17})/bootstrap-actions/(?P<number>\d{1,3})/[^/]+$")
_SCRIPT = re.compile(r"/bootstrap-actions/\d{1,3}/([^\s'\"/]{1,200})")
_EXIT = re.compile(r"(?:exit code|with code|return code) '?(\d{1,3})\b")
# As bash reports an error, and as `bash -x` shows what it does.
_BASH_ERROR = re.compile(
    r"(?:\S{1,400}/)?(?P<script>[^\s/:]{1,200}): line (?P<line>\d{1,7}): (?P<error>.{1,300})"
)
_TRACED = re.compile(r"\++ (?P<command>.{1,300})")


def has_failed(cluster: Cluster) -> bool:
    """Return whether a bootstrap action has ended the cluster."""
    return any("BOOTSTRAP" in code for code in (cluster.reason_code, *cluster.detail_codes))


def cause_of(effects: Effects, cluster: Cluster) -> Cause | None:
    """Return what a bootstrap action failed with; None while S3 has no log of it. Raises KilnError."""
    if not has_failed(cluster):
        return None
    named = _NODE.findall(" ".join((cluster.reason_message, *cluster.detail_messages)))
    for node in list(dict.fromkeys(named))[:_MOST_NODES] or [""]:
        found = StoredLogs(effects, cluster.log_uri, cluster.id).bootstrap_actions(node)
        if cause := of_logs(found):
            return cause
    return None


def of_logs(found: Sequence[Log]) -> Cause | None:
    """Return the cause that the logs of bootstrap actions show; None without logs."""
    failed = _last_action(found)
    return _cause(failed) if failed else None


def _last_action(found: Sequence[Log]) -> list[Log]:
    """Return the logs of the action that ran last: a node stops at the first that fails."""
    places = [(match, log) for log in found if (match := _FILE.search(log.address))]
    if not places:
        return []
    last, _ = max(places, key=lambda place: int(place[0]["number"]))
    return [log for match, log in places if match.group("node", "number") == last.group("node", "number")]


def _cause(logs: Sequence[Log]) -> Cause:
    place = _FILE.search(logs[0].address)
    assert place is not None  # noqa: S101  # _last_action took only these
    texts = {log.address.rpartition("/")[2].partition(".")[0]: log.text for log in logs}
    controller = texts.get("controller", "")
    script, code = _SCRIPT.findall(controller), _EXIT.findall(controller)
    what = f"bootstrap action {int(place['number'])}" + (f" ({script[-1]})" if script else "")
    ended = output_text.exit_line(int(code[-1])) if code and int(code[-1]) else "failed"
    said = [*output_text.written_lines(texts.get("stdout", ""))[-5:]]
    said += output_text.written_lines(texts.get("stderr", ""))[-output_text.TAIL :]
    known = matching.in_error("\n".join(said))
    reason = _reason(output_text.written_lines(texts.get("stderr", ""))) or (said[-1] if said else "")
    cause = finders.of_kind(
        "bootstrap_action",
        f"{what} on {place['node']} {ended}" + (f": {reason}" if reason else ""),
        (*said, f"(from {logs[0].address.rpartition('/')[0]}/)"),
        logs[0].address,
    )
    return cause if known is None else finders.with_advice(cause, known.kind)


def _reason(lines: Sequence[str]) -> str:
    """Return the line of the script that failed and its error, as far as stderr has them."""
    for line in reversed(lines):
        if match := _BASH_ERROR.match(line):
            return f"line {int(match['line'])}: {match['error']}"
    traced = [match["command"] for line in lines if (match := _TRACED.match(line))]
    errors = [line for line in lines if not _TRACED.match(line)]
    after = f" (after: {traced[-1]})" if traced else ""
    return f"{errors[-1]}{after}" if errors else f"at: {traced[-1]}" if traced else ""


@contextmanager
def explained(context: Context, cluster_id: str) -> Iterator[None]:
    """Let the error of a launch name the line that failed, when a bootstrap action is its cause."""
    try:
        yield
    except LaunchError as error:
        cause = _awaited(context, cluster_id)
        if cause is not None:
            error.details = (error.message, *cause.lines)
            error.message, error.fix = f"cluster {cluster_id} did not start: {cause.headline}", cause.advice
        raise


def _awaited(context: Context, cluster_id: str) -> Cause | None:
    """Return the cause as soon as S3 has the logs, None when there are none after a minute."""

    def look(bounded: Context) -> tuple[Cause | None, bool]:
        cluster = clusters.shown(bounded, cluster_id)
        # In this order: the logs are complete when the cluster has ended.
        is_over = not has_failed(cluster) or not cluster.log_uri or cluster.state in states.CLUSTER_ENDED
        return cause_of(bounded.effects, cluster), is_over

    try:
        cause, _ = waiting.until(
            context.within(_LOGS_SECONDS),
            look,
            lambda seen: seen[0] is not None or seen[1],
            what="the logs of the bootstrap action",
            timeout_seconds=_LOGS_SECONDS,
            interval_seconds=_INTERVAL_SECONDS,
        )
    except KilnError:
        return None
    return cause
