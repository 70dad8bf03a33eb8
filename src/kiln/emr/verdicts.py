"""The verdict of a run, from its ledger and AWS, whichever command or playbook worked on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import clusters, lost_calls, states, steps
from kiln.emr.states import Verdict
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import REFUSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.aws.context import Context
    from kiln.ledger.schema import Attempt, Phase, Run, StepEntry


def shown(context: Context, run: Run, *, live: bool) -> str:
    """Return the verdict of a run as it is now; `live`: it has a cluster.

    The recorded one counts unless it is outdated; then, and when there is none, AWS decides.
    """
    if run.verdict != Verdict.RUNNING.value and not is_outdated(run, live=live):
        return run.verdict
    return (Verdict.RUNNING if live or _is_starting(context, run) else of_ended(context, run)).value


def is_outdated(run: Run, *, live: bool) -> bool:
    """Return whether a run went on after a command had recorded its verdict, exit code and message.

    Playbooks conclude nothing, and a driver that was killed could not.
    """
    if run.concluded is not None and run.begun > run.concluded:
        return True
    # The end that AWS had not confirmed to that command was confirmed to another one.
    was_unconfirmed = run.exit_code == ExitCode.NOT_TERMINATED and bool(run.attempts)
    return was_unconfirmed and not live and all(one.ended_at for one in run.attempts)


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
    failed = [entry for entry in failed_phases(run) if entry.name not in apart] if run else []
    by_steps = states.verdict_of_steps(_step_states(context, run, cluster_id).values())
    if by_steps is Verdict.CANCELLED:
        return by_steps
    if failed:
        return Verdict.FAILED
    if by_steps is Verdict.NO_STEP and run and run.attempts and _failed(context, run.attempts[-1]):
        return Verdict.FAILED
    return by_steps


def failed_phases(run: Run) -> list[Phase]:
    """Return the phases whose last try failed and still matters, in the order of these tries."""
    latest = {entry.name: entry for entry in run.phases}
    failed = [entry for entry in run.phases if entry is latest[entry.name] and entry.status == "failed"]
    return [entry for entry in failed if not _was_made_good(run, entry)]


def _was_made_good(run: Run, entry: Phase) -> bool:
    """Return whether a step was begun after a playbook had failed: on a cluster that was ready then.

    Somebody may have run the playbook by hand meanwhile, which writes nothing about phases.
    """
    is_playbook = any(entry.name == row.name for row in phases.BEFORE_STEPS)
    return is_playbook and bool(entry.ended_at) and any(one.intent_at >= entry.ended_at for one in run.steps)


def _step_states(context: Context, run: Run | None, cluster_id: str | None) -> Mapping[str, str]:
    """Return how the last try of each step ended; steps of others count when the run has none.

    Without a cluster nothing goes on: what was refused, or has no end that anybody knows, was interrupted.
    """
    if run and run.steps:
        found = {entry.name: _state_of(context, entry) for entry in run.steps}
    else:
        known = cluster_id or (run.cluster_ids[-1] if run and run.cluster_ids else None)
        found = {one.name: one.state for one in steps.listed_if_any(context, known)} if known else {}
    return {name: one if one in states.STEP_ENDED else "INTERRUPTED" for name, one in found.items()}


def _state_of(context: Context, entry: StepEntry) -> str | None:
    """Return the last known state of a step. AWS is asked about one whose driver ended before it did."""
    if entry.state in states.STEP_ENDED or entry.step_id is None:
        return entry.state
    seen = steps.seen_if_any(context, entry.cluster_id, entry.step_id)
    return seen.state if seen else None


def _failed(context: Context, attempt: Attempt) -> bool:
    """Return whether a launch had no effect, or a cluster that failed."""
    state = attempt.end_state
    if state is None and attempt.cluster_id:
        seen = clusters.seen(context, attempt.cluster_id)
        state = seen.state if seen else None
    return state in {"TERMINATED_WITH_ERRORS", REFUSED}
