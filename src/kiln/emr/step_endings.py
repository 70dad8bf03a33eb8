"""How steps ended: the error for each end that is no success, with what EMR knows about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import clusters, states
from kiln.emr.descriptions import end_of
from kiln.errors import StepCancelledError, StepFailedError

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Step


def judge(context: Context, cluster_id: str, step: Step) -> None:
    """Raise StepFailedError (14) or StepCancelledError (15) unless the step is COMPLETED.

    EMR cancels the steps of a cluster that ends: then the cluster's end is the cause. It is a cancellation
    only when somebody asked for it (docs/aws_facts.md 1.1, 1.3).
    """
    verdict = states.verdict_of_steps([step.state])
    if verdict is states.Verdict.SUCCEEDED:
        return
    head = f"step {step.name} ({step.id})"
    # A failed step may have ended its cluster; every other one was ended by it.
    cluster = None if step.state == "FAILED" else clusters.seen(context, cluster_id)
    if cluster is not None and cluster.state in states.CLUSTER_ENDING | states.CLUSTER_ENDED:
        by_user = verdict is states.Verdict.CANCELLED and cluster.reason_code in {"", states.USER_REQUEST}
        error = StepCancelledError if by_user else StepFailedError
        raise error(f"{head} is {step.state}: {end_of(cluster)}")
    if verdict is states.Verdict.CANCELLED:
        raise StepCancelledError(f"{head} was cancelled")
    raise StepFailedError(f"{head} ended {step.state}{failure_text(step)}")


def failure_text(step: Step) -> str:
    """Return what EMR itself knows about a failure, as the end of a sentence."""
    parts = (step.failure_reason, step.failure_message)
    known = [text for text in parts if text and text.rstrip(".") != "Unknown Error"]
    return f": {'; '.join(known)}" if known else ""
