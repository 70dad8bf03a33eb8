"""Steps of a run on their cluster: what AWS shows of them, the wait for their end, how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.effects import Step, StepRequest
from kiln.emr import states, step_endings, waiting
from kiln.errors import (
    ClusterNotFoundError,
    DeadlineError,
    KilnError,
    StepNotFoundError,
    ThrottledError,
    UnansweredError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.ledger.schema import Run, StepEntry
    from kiln.ledger.store import Ledger
    from kiln.settings.model import StepSettings

IDS_PER_CALL = 10  # docs/aws_facts.md 1.5
# For how long a cancellation may delay what comes next: the end of the cluster.
_CANCEL_SECONDS = 60.0
# For how long S3 may keep back the news of how a step ended.
_RECORD_SECONDS = 30.0


class StepLateError(DeadlineError):
    """A step took longer than its own limit; the run's deadline had not passed then."""


def request(step: StepSettings) -> StepRequest:
    """Return what is sent to the API."""
    return StepRequest(name=step.name, jar=step.jar, args=step.args, action_on_failure=step.action_on_failure)


def states_of(context: Context, cluster_id: str, step_ids: Sequence[str]) -> list[Step]:
    """Return steps by id, in the order asked, with as few calls as the API allows.

    Those that AWS does not list are left out; raises StepNotFoundError when it refuses an id.
    """
    found: dict[str, Step] = {}
    for start in range(0, len(step_ids), IDS_PER_CALL):
        batch = step_ids[start : start + IDS_PER_CALL]
        found |= {step.id: step for step in context.effects.list_steps(cluster_id, batch)}
    return [found[step_id] for step_id in step_ids if step_id in found]


def seen_if_any(context: Context, cluster_id: str, step_id: str) -> Step | None:
    """Return a step as AWS shows it now; None when it does not know it (yet)."""
    try:
        return next(iter(states_of(context, cluster_id, [step_id])), None)
    except (StepNotFoundError, ClusterNotFoundError):
        return None


def listed_if_any(context: Context, cluster_id: str) -> list[Step]:
    """Return all steps of a cluster, oldest first; none of one that AWS does not know (yet, or any more)."""
    try:
        return context.effects.list_steps(cluster_id)
    except ClusterNotFoundError:
        return []


def record(ledger: Ledger, step_id: str, *, name: str, cluster_id: str, seen: Step | None = None) -> None:
    """Write a step's id, and its state and seconds when known, into the line of its intent."""

    def change(run: Run) -> None:
        for entry in entries_of(run, name, cluster_id):
            if entry.step_id in {None, step_id}:
                entry.step_id = step_id
                if seen is not None:
                    entry.state = seen.state
                    entry.seconds = seconds(seen)
                return

    ledger.try_update(change)


def entries_of(run: Run, name: str, cluster_id: str) -> Iterator[StepEntry]:
    """Return the additions of a step to a cluster, the newest first."""
    return (entry for entry in reversed(run.steps) if entry.name == name and entry.cluster_id == cluster_id)


def seconds(step: Step) -> float | None:
    """Return how long a step ran, or None while it does."""
    if step.started_at is None or step.ended_at is None:
        return None
    return round((step.ended_at - step.started_at).total_seconds(), 1)


def wait(
    context: Context,
    cluster_id: str,
    step: Step,
    *,
    timeout_seconds: float,
    interval_seconds: float,
    on_poll: Callable[[Step], None] | None = None,
) -> Step:
    """Wait for a step's end and return it COMPLETED.

    Raises StepFailedError (14), StepCancelledError (15), InterruptedRunError. A late step is cancelled:
    StepLateError (16) after `timeout_seconds`, DeadlineError (16) when the deadline of `context` comes first.
    """
    last = step
    started = context.clock.monotonic()
    own_limit_is_first = started + timeout_seconds < context.ends_at
    ends_at = min(started + timeout_seconds, context.ends_at)

    def poll(bounded: Context) -> tuple[Step, str]:
        nonlocal last
        # Reads may lag behind: a step that was there is taken to be as it was.
        last = seen_if_any(bounded, cluster_id, step.id) or last
        # Asked only when the step says nothing new: a cluster may end under a step that never does.
        state = "" if last.state in states.STEP_ENDED else _state_of(bounded, cluster_id)
        if on_poll is not None:
            on_poll(last)
        return last, state

    def done(answer: tuple[Step, str]) -> bool:
        seen, cluster_state = answer
        return seen.state in states.STEP_ENDED or cluster_state in states.CLUSTER_ENDED

    try:
        seen, _ = waiting.until(
            context,
            poll,
            done,
            what=f"step {step.name}",
            timeout_seconds=timeout_seconds,
            interval_seconds=interval_seconds,
            on_change=lambda answer: context.report(f"step {step.name}: {answer[0].state}"),
        )
    except (DeadlineError, ThrottledError, UnansweredError) as error:
        now = context.clock.monotonic()
        if now < ends_at:
            raise
        # AWS may fail to answer just then: the step is late all the same.
        message = f"step {step.name} took longer than {now - started:.0f} s"
        if not isinstance(error, DeadlineError):
            message += f" ({error.message})"
        problem = _cancel(context, cluster_id, step.id)
        raise _late_error(message, problem, own_limit=own_limit_is_first) from error
    step_endings.judge(context, cluster_id, seen)
    return seen


def _state_of(context: Context, cluster_id: str) -> str:
    try:
        return context.effects.describe_cluster(cluster_id).state
    except ClusterNotFoundError:
        return ""


def run_to_end(
    context: Context,
    cluster_id: str,
    step: Step,
    ledger: Ledger,
    *,
    timeout_seconds: float,
    interval_seconds: float,
) -> Step:
    """Wait for a step and record how it ended. Raises what `wait` raises."""
    last = [step]
    try:
        return wait(
            context,
            cluster_id,
            step,
            timeout_seconds=timeout_seconds,
            interval_seconds=interval_seconds,
            on_poll=lambda seen: last.__setitem__(0, seen),
        )
    finally:
        # After a failure the end of the cluster waits for this.
        bounded = ledger.on(context.within(_RECORD_SECONDS).effects)
        record(bounded, step.id, name=step.name, cluster_id=cluster_id, seen=last[0])


def cancel(context: Context, cluster_id: str, step_id: str, name: str) -> None:
    """Ask for a step's end and wait a minute for it. It may end otherwise: EMR gives no guarantee."""
    problem = _cancel(context, cluster_id, step_id)
    if problem:
        context.report(f"step {name} was not cancelled: {problem}")


def _cancel(context: Context, cluster_id: str, step_id: str) -> str:
    """Return why a step has not ended after it was asked to; nothing when it has."""
    teardown = context.unstoppable().within(_CANCEL_SECONDS)
    try:
        teardown.effects.cancel_steps(cluster_id, [step_id])
        waiting.until(
            teardown,
            lambda bounded: seen_if_any(bounded, cluster_id, step_id),
            lambda seen: seen is not None and seen.state in states.STEP_ENDED,
            what="its cancellation",
            timeout_seconds=_CANCEL_SECONDS,
            interval_seconds=2.0,
        )
    except KilnError as error:
        return error.message
    return ""


def _late_error(message: str, problem: str, *, own_limit: bool) -> DeadlineError:
    """Return the error for a step that took too long; `problem` says why it was not cancelled."""
    fix = "it was cancelled"
    if problem:
        message = f"{message}, and may still run: {problem}"
        fix = "it delays the next step until it ends or the cluster does (action terminate)"
    if not own_limit:
        return DeadlineError(message, fix=fix)
    raised = "if it needs longer, raise its timeout_seconds or kiln_step_timeout_seconds"
    return StepLateError(message, fix=f"{fix}; {raised}")
