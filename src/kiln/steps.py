"""Steps of a run: each added once a cluster, found again by its id in the ledger, never by its name alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kiln import states, watch
from kiln.effects import Step, StepRequest
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    DeadlineError,
    KilnError,
    StepCancelledError,
    StepFailedError,
    ThrottledError,
    UnansweredError,
)
from kiln.ledger import StepEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kiln.context import Context
    from kiln.ledger import Ledger, Run
    from kiln.settings.model import StepSettings

IDS_PER_CALL = 10  # ListSteps takes no more
# AWS's clock and ours may differ; a step of an intent cannot be older than the intent by more than this.
_SKEW = timedelta(seconds=120)
_ADD_TRIES = 3
_CANCEL_WAIT_SECONDS = 60.0


def request(step: StepSettings) -> StepRequest:
    """Return what is sent to the API."""
    return StepRequest(name=step.name, jar=step.jar, args=step.args, action_on_failure=step.action_on_failure)


def states_of(context: Context, cluster_id: str, step_ids: Sequence[str]) -> list[Step]:
    """Return steps by id, in the order asked, with as few calls as the API allows."""
    found: dict[str, Step] = {}
    for start in range(0, len(step_ids), IDS_PER_CALL):
        batch = step_ids[start : start + IDS_PER_CALL]
        found |= {step.id: step for step in context.effects.list_steps(cluster_id, batch)}
    return [found[step_id] for step_id in step_ids if step_id in found]


def add(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> tuple[Step, bool]:
    """Make sure that the step is on the cluster; return it, and whether it was added now.

    A step of this run that is active or complete is not added again; one that failed or was cancelled is.
    """
    known = attached(context, cluster_id, step, ledger)
    if known is not None:
        return known, False
    ledger.update(
        lambda run: run.steps.append(StepEntry(name=step.name, cluster_id=cluster_id, intent_at=ledger.now()))
    )
    step_id = _add_once(context, cluster_id, step, ledger)
    record(ledger, step_id, name=step.name, cluster_id=cluster_id)
    context.tell(f"step {step.name}: added as {step_id}")
    return states_of(context, cluster_id, [step_id])[0], True


def attached(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> Step | None:
    """Return the run's step on this cluster if it need not be added again."""
    run = ledger.read()
    mine = [entry for entry in run.steps if _same(entry, cluster_id, step)] if run else []
    if not run or not mine:
        return None
    last = mine[-1]
    if last.step_id is None:
        return _look_after_doubt(context, cluster_id, step, ledger)
    (seen,) = states_of(context, cluster_id, [last.step_id]) or (None,)
    return seen if seen and (seen.state not in states.STEP_ENDED or seen.state == "COMPLETED") else None


def _same(entry: StepEntry, cluster_id: str, step: StepSettings) -> bool:
    return entry.name == step.name and entry.cluster_id == cluster_id


def _add_once(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> str:
    error: KilnError | None = None
    for attempt in range(_ADD_TRIES):
        context.stop.check()
        try:
            return context.effects.add_steps(cluster_id, [request(step)])[0]
        except ThrottledError as caught:
            error = caught
            context.clock.wait(5.0 * 2**attempt, context.stop.event)
        except UnansweredError as caught:
            error = caught
            found = _look_after_doubt(context, cluster_id, step, ledger)
            if found is not None:
                return found.id
        except AwsError as caught:
            # "A job flow that is shutting down, terminated, or finished may not be modified."
            raise ClusterNotFoundError(
                f"step {step.name} cannot be added to cluster {cluster_id}: {caught.message}", fix=caught.fix
            ) from caught
    raise error or StepFailedError(f"step {step.name} could not be added")


def _look_after_doubt(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> Step | None:
    """Find a step whose addition got no answer: all the same, young enough, and in no line of the ledger."""
    run = ledger.read()
    entries = [entry for entry in run.steps if _same(entry, cluster_id, step)] if run else []
    if not entries:
        return None
    taken = {entry.step_id for entry in entries}
    since = datetime.fromisoformat(entries[-1].intent_at).astimezone(UTC) - _SKEW
    for seen in context.effects.list_steps(cluster_id):
        alike = (seen.name, seen.jar, seen.args) == (step.name, step.jar, step.args)
        if alike and seen.id not in taken and seen.created_at >= since:
            record(ledger, seen.id, name=step.name, cluster_id=cluster_id)
            return seen
    return None


def record(ledger: Ledger, step_id: str, *, name: str, cluster_id: str, seen: Step | None = None) -> None:
    """Write a step's id, and its state and seconds when known, into the line of its intent."""

    def change(run: Run) -> None:
        for entry in _entries(run, name, cluster_id):
            if entry.step_id in {None, step_id}:
                entry.step_id = step_id
                if seen is not None:
                    entry.state = seen.state
                    entry.seconds = seconds(seen)
                return

    ledger.try_update(change)


def _entries(run: Run, name: str, cluster_id: str) -> Iterator[StepEntry]:
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
    on_look: Callable[[Step], None] | None = None,
) -> Step:
    """Wait for a step's end and return it COMPLETED.

    Raises StepFailedError (14), StepCancelledError (15), InterruptedRunError; DeadlineError (16) after it has
    cancelled a step that is late.
    """

    def look() -> tuple[Step, str]:
        seen = states_of(context, cluster_id, [step.id])[0]
        # Asked only when the step says nothing new: a cluster may die under a step that never ends.
        state = "" if seen.state in states.STEP_ENDED else context.effects.describe_cluster(cluster_id).state
        if on_look is not None:
            on_look(seen)
        return seen, state

    def done(answer: tuple[Step, str]) -> bool:
        seen, cluster_state = answer
        return seen.state in states.STEP_ENDED or cluster_state in states.CLUSTER_ENDED

    try:
        seen, cluster_state = watch.until(
            context,
            look,
            done,
            what=f"step {step.name}",
            timeout_seconds=timeout_seconds,
            interval_seconds=interval_seconds,
            on_change=lambda answer: context.tell(f"step {step.name}: {answer[0].state}"),
        )
    except DeadlineError as error:
        cancel(context, cluster_id, step)
        error.fix = (
            "it was cancelled; if it needs longer, raise its timeout_seconds or kiln_step_timeout_seconds"
        )
        raise
    _judge(seen, cluster_state)
    return seen


def run_to_end(
    context: Context,
    cluster_id: str,
    step: Step,
    ledger: Ledger,
    *,
    timeout_seconds: float,
    interval_seconds: float,
) -> Step:
    """Wait for a step and write down how it ended, well or badly."""
    last = [step]
    try:
        return wait(
            context,
            cluster_id,
            step,
            timeout_seconds=timeout_seconds,
            interval_seconds=interval_seconds,
            on_look=lambda seen: last.__setitem__(0, seen),
        )
    finally:
        record(ledger, step.id, name=step.name, cluster_id=cluster_id, seen=last[0])


def _judge(step: Step, cluster_state: str) -> None:
    verdict = states.verdict_of_steps([step.state])
    if verdict is states.Verdict.SUCCEEDED:
        return
    if verdict is states.Verdict.CANCELLED:
        raise StepCancelledError(f"step {step.name} ({step.id}) was cancelled")
    if verdict is states.Verdict.RUNNING:
        raise StepFailedError(
            f"step {step.name} ({step.id}) was {step.state} when its cluster ended ({cluster_state})"
        )
    raise StepFailedError(f"step {step.name} ({step.id}) ended {step.state}{failure_text(step)}")


def failure_text(step: Step) -> str:
    """Return what EMR itself knows about a failure, as the end of a sentence."""
    said = (step.failure_reason, step.failure_message)
    known = [text for text in said if text and text.rstrip(".") != "Unknown Error"]
    return f": {'; '.join(known)}" if known else ""


def cancel(context: Context, cluster_id: str, step: Step) -> None:
    """Ask for a step's end and give it a moment. It may still end otherwise: EMR gives no guarantee."""
    patient = context.unstoppable()
    try:
        patient.effects.cancel_steps(cluster_id, [step.id])
        watch.until(
            patient,
            lambda: states_of(patient, cluster_id, [step.id])[0].state,
            lambda state: state in states.STEP_ENDED,
            what=f"the cancelling of step {step.name}",
            timeout_seconds=_CANCEL_WAIT_SECONDS,
            interval_seconds=2.0,
        )
    except KilnError as error:
        context.tell(f"step {step.name} could not be cancelled: {error.message}")
