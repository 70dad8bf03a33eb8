"""Adding the steps of a run: each once a cluster, found again by its id in the ledger, never by name only."""

from __future__ import annotations

import difflib
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

from kiln.emr import lost_calls, states
from kiln.emr.steps import entries_of, record, request, seen_if_any
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    KilnError,
    StepFailedError,
    UnansweredError,
    UnknownOutcomeError,
    UsageError,
    naming_step,
)
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import REFUSED, StepEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Step
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger
    from kiln.settings.model import StepSettings

# AWS's clock and ours may differ; a step of an intent cannot be older than the intent by more than this.
_SKEW = timedelta(seconds=120)
_TRIES = 5
_SHOWN_ARGUMENTS = 20


class _ChangedError(KilnError):
    """Another process has written about the step since this one has read the ledger."""


def add(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> tuple[Step, bool]:
    """Make sure that the step is on the cluster; return it, and whether it was added now.

    A step of this run that is active or complete is not added again; one that failed or was cancelled is.
    Raises UsageError when the active or complete one has another jar or other arguments.
    """
    for _ in range(_TRIES):
        known, newest = _attached(context, cluster_id, step, ledger)
        if known is not None:
            return known, False
        try:
            return _add(context, cluster_id, step, ledger, newest), True
        except _ChangedError:
            continue
    raise StepFailedError(f"other processes add step {step.name} to cluster {cluster_id} all the time")


def attached(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> Step | None:
    """Return the run's step on this cluster if it need not be added again."""
    return _attached(context, cluster_id, step, ledger)[0]


def _add(
    context: Context, cluster_id: str, step: StepSettings, ledger: Ledger, newest: StepEntry | None
) -> Step:
    intent = StepEntry(name=step.name, cluster_id=cluster_id, intent_at=ledger.now(), optional=step.optional)

    def intend(run: Run) -> None:
        # The write has a condition on what is read here, so only one of two processes adds the step.
        if next(entries_of(run, step.name, cluster_id), None) != newest:
            raise _ChangedError(f"another process has added step {step.name}")
        run.steps.append(intent)

    ledger.update(intend)
    try:
        step_id = lost_calls.create(
            context,
            lambda: context.effects.add_steps(cluster_id, [request(step)])[0],
            lambda: _unrecorded(context, cluster_id, step, ledger, just_added=True),
            what=f"step {step.name}",
            exit_code=ExitCode.STEP_FAILED,
            on_no_effect=lambda: _close_intent(ledger, step, cluster_id),
        )
    except UnansweredError:
        raise
    except AwsError as refusal:
        raise _refused(context, cluster_id, step, refusal) from refusal
    record(ledger, step_id, name=step.name, cluster_id=cluster_id)
    context.report(f"step {step.name}: added as {step_id}")
    return _shown(context, cluster_id, step_id, step.name)


def _shown(context: Context, cluster_id: str, step_id: str, name: str) -> Step:
    """Return a step that was added, as soon as AWS shows it."""
    missing = UnknownOutcomeError(
        f"step {name} was added as {step_id}, and AWS has not shown it for {lost_calls.LAG_SECONDS:.0f} s",
        fix="run the same action with the same run id again: it waits for that step",
        exit_code=ExitCode.STEP_FAILED,
    )
    with naming_step(step_id):
        return lost_calls.shown(
            context, lambda: seen_if_any(context, cluster_id, step_id), f"step {name}", missing
        )


def _refused(context: Context, cluster_id: str, step: StepSettings, refusal: AwsError) -> KilnError:
    """Return the error for a step that AWS did not take: because of the cluster's state, or of the step."""
    message = f"step {step.name} cannot be added to cluster {cluster_id}: {refusal.message}"
    cluster = lost_calls.appear(context, lambda: context.effects.describe_cluster(cluster_id), message)
    if cluster is None or cluster.state not in states.CLUSTER_USABLE:
        # "A job flow that is shutting down, terminated, or finished may not be modified."
        return ClusterNotFoundError(message, fix=refusal.fix)
    return StepFailedError(message, fix=refusal.fix or f"correct the step {step.name} (steps)")


def _close_intent(ledger: Ledger, step: StepSettings, cluster_id: str) -> None:
    """Write down that the last addition has had no effect."""

    def change(run: Run) -> None:
        newest = next(entries_of(run, step.name, cluster_id), None)
        if newest is not None and newest.step_id is None:
            newest.state = REFUSED

    ledger.try_update(change)


def _attached(
    context: Context, cluster_id: str, step: StepSettings, ledger: Ledger
) -> tuple[Step | None, StepEntry | None]:
    """Return the run's step if it need not be added again, and the newest entry of the ledger about it."""
    newest = _newest(ledger, cluster_id, step)
    if newest is not None and newest.step_id is None and newest.state != REFUSED:
        # Another process intended to add it. What does not show up now has not been added.
        what = f"searching for step {step.name}, whose addition has no recorded outcome"
        seconds = lost_calls.unsettled_seconds(ledger.age_seconds(newest.intent_at))
        lost_calls.appear(context, lambda: _settled(context, cluster_id, step, ledger), what, seconds)
        newest = _newest(ledger, cluster_id, step)
    if newest is None or newest.step_id is None:
        return None, newest
    seen = _shown(context, cluster_id, newest.step_id, step.name)
    is_done = seen.state not in states.STEP_ENDED or seen.state == "COMPLETED"
    if is_done:
        _refuse_other_arguments(step, seen)
    return (seen if is_done else None), newest


def _refuse_other_arguments(wanted: StepSettings, seen: Step) -> None:
    """Refuse to take a step of this run for one that was added with other values (another date, another -e).

    ListSteps returns jar and arguments as they were added (emr 2009-03-31 service model, HadoopStepConfig).
    """
    before, now = ((one.jar, *one.args) for one in (seen, wanted))
    if before == now:
        return
    changed = _difference(before, now)
    left_out = len(changed) - _SHOWN_ARGUMENTS
    more = (f"and {left_out} more",) if left_out > 0 else ()
    raise UsageError(
        f"step {wanted.name} of this run ({seen.id}) is {seen.state} with other arguments",
        fix="give the same date and variables as before, or begin a new run",
        details=(*changed[:_SHOWN_ARGUMENTS], *more),
    )


def _difference(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return what was left out and what came, in pairs (difflib.ndiff takes a minute for 300 like values)."""
    changed = []
    for kind, left, left_end, right, right_end in difflib.SequenceMatcher(None, before, now).get_opcodes():
        if kind != "equal":
            for old, new in itertools.zip_longest(before[left:left_end], now[right:right_end]):
                changed += [f"- {old}"] if old is not None else []
                changed += [f"+ {new}"] if new is not None else []
    return changed


def _newest(ledger: Ledger, cluster_id: str, step: StepSettings) -> StepEntry | None:
    run = ledger.read()
    return next(entries_of(run, step.name, cluster_id), None) if run else None


def _settled(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> str | None:
    """Return the id of an intended step: as its process has recorded it, or as EMR shows it."""
    newest = _newest(ledger, cluster_id, step)
    if newest is None or newest.state == REFUSED:
        return "none"
    return newest.step_id or _unrecorded(context, cluster_id, step, ledger, just_added=False)


def _unrecorded(
    context: Context, cluster_id: str, step: StepSettings, ledger: Ledger, *, just_added: bool
) -> str | None:
    """Find a step whose addition got no answer: same name, young enough, and in no line of the ledger.

    One that this process has `just_added` has these arguments. Another process may have had others: its
    step counts all the same, or the run would get a second one.
    """
    run = ledger.read()
    entries = list(entries_of(run, step.name, cluster_id)) if run else []
    if not entries:
        return None
    taken = {entry.step_id for entry in entries}
    age = timedelta(seconds=ledger.age_seconds(entries[0].intent_at))
    since = context.clock.now() - age - _SKEW
    for seen in context.effects.list_steps(cluster_id):
        alike = not just_added or (seen.jar, seen.args) == (step.jar, step.args)
        is_new = seen.id not in taken and seen.created_at >= since
        if seen.name == step.name and alike and is_new:
            record(ledger, seen.id, name=step.name, cluster_id=cluster_id)
            return seen.id
    return None
