"""The cause of a step's failure: searched in its logs, completed with what EMR and the cluster know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln.diagnosis import finders, output_text, places
from kiln.diagnosis.cause import Cause, shortened
from kiln.diagnosis.step_logs import StepLogs
from kiln.emr import step_endings
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.effects import Cluster, Effects, Step
    from kiln.diagnosis.logs import Source
    from kiln.diagnosis.ssh import Ssh

_MOST_NOTES = 5
# The states of a step that ended by an error of its own. Any other was stopped, or still runs.
_FAILED = frozenset({"FAILED", "INTERRUPTED"})
_NO_LOG = "no_log"


def of_step(sources: Sequence[Source], step_id: str) -> Cause:
    """Return the cause of a step's failure from the first place that has one."""
    fallback: Cause | None = None
    notes: list[str] = []
    for place in sources:
        found = StepLogs(place, step_id)
        cause = next((one for finder in finders.FINDERS if (one := finder(found))), None)
        notes += found.notes
        if cause is not None:
            return _finished(cause, found.code, notes)
        said = finders.last_output(found)
        fallback = fallback or (_finished(said, found.code, ()) if said else None)
    return _finished(fallback or finders.of_kind(_NO_LOG, "no log of the step was found"), None, notes)


def of_stopped(sources: Sequence[Source], step_id: str, state: str) -> Cause:
    """Return the last output of a step that did not fail by itself: it was late or cancelled, or runs."""
    notes: list[str] = []
    for place in sources:
        found = StepLogs(place, step_id)
        notes += found.notes
        cause = finders.last_lines(found, state)
        if cause is not None:
            return _finished(cause, None, notes)
    return _finished(finders.of_kind(_NO_LOG, "no log of the step was found"), None, notes)


def _finished(cause: Cause, code: int | None, notes: Sequence[str]) -> Cause:
    """Add the exit code or the signal, and what is not whole about the logs."""
    lines = cause.lines
    if code and lines and not any(f"exited with status {code}" in line for line in lines):
        lines = (*lines, output_text.exit_line(code))
    return msgspec.structs.replace(cause, lines=lines, notes=tuple(notes[:_MOST_NOTES]))


def cause_of(effects: Effects, cluster: Cluster, step: Step, ssh: Ssh) -> Cause:
    """Return why a step failed, or what a stopped one wrote last; the lines fill one screen."""
    sources = places.of_cluster(effects, cluster, ssh)
    cause = of_step(sources, step.id) if step.state in _FAILED else of_stopped(sources, step.id, step.state)
    reported = step_endings.failure_text(step).removeprefix(": ")
    # Without logs EMR's reason is all that is known: the first line of messages has it.
    headline = cause.headline
    if reported and cause.kind == _NO_LOG:
        headline = shortened(f"{headline}; EMR's reason: {reported}")
    if cause.failure_class is FailureClass.PERMISSION and cluster.instance_profile and "arn:" not in headline:
        headline = shortened(f"{headline}, with the instance profile {cluster.instance_profile}")
    lines = (*cause.lines, *_more(cause, cluster, step, reported))
    return msgspec.structs.replace(cause, headline=headline, lines=lines)


def _more(cause: Cause, cluster: Cluster, step: Step, reported: str) -> list[str]:
    """Return the logs' addresses and EMR's own reason."""
    where = (
        f"(from {cause.address})" if cause.address else "no log has the cause (S3 gets logs every 5 minutes)"
    )
    lines = [where, *(f"note: {note}" for note in cause.notes)]
    lines += [f"EMR's reason: {reported}"] if reported else []
    if cluster.log_uri:
        base = f"{cluster.log_uri}{cluster.id}/"
        lines += [f"step logs:      {base}steps/{step.id}/", f"container logs: {base}containers/"]
    return lines
