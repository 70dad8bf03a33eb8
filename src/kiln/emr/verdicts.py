"""The verdict of a run, from its ledger and AWS, whichever command or playbook worked on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import clusters, lost_calls, states, steps
from kiln.emr.states import Verdict
from kiln.ledger.schema import REFUSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.aws.context import Context
    from kiln.ledger.schema import Attempt, Run, StepEntry


def shown(context: Context, run: Run, *, live: bool) -> str:
    """Return the verdict of a run as it is now; `live`: it has a cluster.

    The recorded one counts when the process that concluded the run was the last to work on it. Playbooks
    conclude nothing, and a driver that was killed could not: then AWS decides.
    """
    recorded = run.verdict != Verdict.RUNNING.value
    if recorded and (run.concluded is None or run.begun <= run.concluded):
        return run.verdict
    return (Verdict.RUNNING if live or _is_starting(context, run) else of_ended(context, run)).value


def _is_starting(context: Context, run: Run) -> bool:
    """Return whether a launch may be going on that AWS does not show yet."""
    if not run.launch_is_open:
        return False
    return run.age_of(run.attempts[-1].intent_at, context.clock.now()) < lost_calls.UNSETTLED_SECONDS


def of_ended(context: Context, run: Run | None, cluster_id: str | None = None) -> Verdict:
    """Return the verdict of a run that has no live cluster: by the last try of each of its phases and steps.

    Without a ledger, the steps of `cluster_id` decide.
    """
    # A step is judged by itself: a playbook may have repeated it since a command failed.
    # The phase that ends the cluster decides nothing about what was built.
    apart = {phases.TERMINATE.name, *(entry.name for entry in run.steps if entry.step_id)} if run else set()
    last = {entry.name: entry.status for entry in run.phases if entry.name not in apart} if run else {}
    by_steps = states.verdict_of_steps(_step_states(context, run, cluster_id).values())
    if by_steps is Verdict.CANCELLED:
        return by_steps
    if "failed" in last.values():
        return Verdict.FAILED
    if by_steps is Verdict.NO_STEP and run and run.attempts and _failed(context, run.attempts[-1]):
        return Verdict.FAILED
    return by_steps


def _step_states(context: Context, run: Run | None, cluster_id: str | None) -> Mapping[str, str]:
    """Return how the last try of each step ended; steps of others count when the run has none."""
    if run and run.steps:
        return {entry.name: _state_of(context, entry) for entry in run.steps}
    known = cluster_id or (run.cluster_ids[-1] if run and run.cluster_ids else None)
    return {one.name: one.state for one in steps.listed_if_any(context, known)} if known else {}


def _state_of(context: Context, entry: StepEntry) -> str:
    """Return how a step ended. AWS is asked about one whose driver ended before it did."""
    if entry.state in states.STEP_ENDED or entry.step_id is None:
        return entry.state or "INTERRUPTED"
    seen = steps.seen_if_any(context, entry.cluster_id, entry.step_id)
    return seen.state if seen else "INTERRUPTED"


def _failed(context: Context, attempt: Attempt) -> bool:
    """Return whether a launch had no effect, or a cluster that failed."""
    state = attempt.end_state
    if state is None and attempt.cluster_id:
        seen = clusters.seen(context, attempt.cluster_id)
        state = seen.state if seen else None
    return state in {"TERMINATED_WITH_ERRORS", REFUSED}
