"""How steps ended: the error for each end that is no success, with what EMR knows about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import evidence, states, verdict_table
from kiln.emr.descriptions import end_of
from kiln.emr.states import Verdict
from kiln.emr.verdict_facts import Awaited, Evidence
from kiln.errors import KilnError, StepCancelledError, StepFailedError
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step

_GOOD = frozenset({Verdict.SUCCEEDED, Verdict.RUNNING})
# The step failed by itself, whatever has become of its cluster.
_OWN = frozenset({FailureClass.USER_CODE, FailureClass.OUT_OF_MEMORY})


def judge(context: Context, cluster_id: str, step: Step) -> None:
    """Raise StepFailedError or StepCancelledError when a step has failed or cannot end well.

    The exit code and the class are those of the row of kiln.emr.verdict_table that fits: EMR cancels the
    steps of a cluster that ends, and lost nodes let steps fail. Raises InterruptedRunError.
    """
    fact = evidence.step_fact(step)
    if verdict_table.judge(Evidence(steps=(fact,))).verdict is Verdict.SUCCEEDED:
        return
    cluster = evidence.seen_cluster(context, cluster_id)
    seen = evidence.of_cluster(context, cluster, steps=(fact,), awaited=Awaited.STEP, since=step.started_at)
    row = verdict_table.judge(seen)
    if row.verdict in _GOOD:
        return
    error = StepCancelledError if row.verdict is Verdict.CANCELLED else StepFailedError
    raise error(
        _message(step, cluster, row),
        fix="" if row.failure_class in _OWN else row.meaning.what_to_do,
        exit_code=row.exit_code,
        failure_class=row.failure_class,
    )


def not_begun(context: Context, cluster: Cluster, name: str) -> KilnError:
    """Return the error for a step that its cluster takes no more, because it ended before."""
    row = verdict_table.judge(evidence.of_cluster(context, cluster, awaited=Awaited.STEP))
    error = StepCancelledError if row.verdict is Verdict.CANCELLED else StepFailedError
    return error(
        f"step {name} cannot begin: {end_of(cluster)}",
        fix=row.meaning.what_to_do,
        exit_code=row.exit_code,
        failure_class=row.failure_class,
    )


def _message(step: Step, cluster: Cluster | str, row: verdict_table.Row) -> str:
    head = f"step {step.name} ({step.id})"
    if step.state == "FAILED" and row.failure_class in _OWN:
        return f"{head} ended {step.state}{failure_text(step)}"
    if not isinstance(cluster, str) and cluster.state in states.CLUSTER_ENDING | states.CLUSTER_ENDED:
        return f"{head} is {step.state}: {end_of(cluster)}"
    if row.verdict is Verdict.CANCELLED:
        return f"{head} was cancelled"
    return f"{head} is {step.state}: {row.evidence}{failure_text(step)}"


def failure_text(step: Step) -> str:
    """Return what EMR itself knows about a failure, as the end of a sentence."""
    parts = (step.failure_reason, step.failure_message)
    known = [text for text in parts if text and text.rstrip(".") != "Unknown Error"]
    return f": {'; '.join(known)}" if known else ""
