"""What a run knows of its steps on a cluster: from its ledger and from AWS, also of lost additions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from kiln.emr import lost_calls, states
from kiln.emr.steps import entries_of, label_on, record, seen_if_any
from kiln.errors import UnknownOutcomeError, naming_step
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import REFUSED

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Step
    from kiln.ledger.schema import Run, StepEntry
    from kiln.ledger.store import Ledger
    from kiln.settings.model import StepSettings

# AWS's clock and ours may differ; a step of an intent cannot be older than the intent by more than this.
_SKEW = timedelta(seconds=120)


class Known(NamedTuple):
    """The run, its newest line about a step, and the step itself when it is active or complete."""

    run: Run | None
    newest: StepEntry | None
    step: Step | None = None

    @property
    def is_open(self) -> bool:
        """Return whether the last addition has no recorded outcome."""
        newest = self.newest
        return newest is not None and newest.step_id is None and newest.state != REFUSED


def of(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> Known:
    """Return what ledger and AWS know about the run's step on this cluster.

    An addition without recorded outcome is searched for, longer than reads lag; once only for a `repeatable`
    step, which nobody has to be sure about. What does not show up has not been added.
    """
    known = recorded(ledger, cluster_id, step.name)
    if known.newest is not None and known.is_open:
        seconds = lost_calls.unsettled_seconds(ledger.age_seconds(known.newest.intent_at))
        lost_calls.appear(
            context,
            lambda: settled(context, cluster_id, step.name, ledger),
            f"searching for step {step.name}, whose addition has no recorded outcome",
            0.0 if step.repeatable else seconds,
        )
        known = recorded(ledger, cluster_id, step.name)
    if known.newest is None or known.newest.step_id is None:
        return known
    seen = shown(context, cluster_id, known.newest.step_id, step.name)
    is_done = seen.state not in states.STEP_ENDED or seen.state == "COMPLETED"
    return known._replace(step=seen) if is_done else known


def recorded(ledger: Ledger, cluster_id: str, name: str) -> Known:
    """Return what the ledger knows about a step."""
    run = ledger.read()
    return Known(run, next(entries_of(run, name, cluster_id), None) if run else None)


def shown(context: Context, cluster_id: str, step_id: str, name: str) -> Step:
    """Return a step that was added, as soon as AWS shows it. Raises UnknownOutcomeError when it does not."""
    missing = UnknownOutcomeError(
        f"step {name} was added as {step_id}, and AWS has not shown it for {lost_calls.LAG_SECONDS:.0f} s",
        fix="run the same action with the same run id again: it waits for that step",
        exit_code=ExitCode.STEP_FAILED,
    )
    with naming_step(step_id):
        return lost_calls.shown(
            context, lambda: seen_if_any(context, cluster_id, step_id), f"step {name}", missing
        )


def settled(context: Context, cluster_id: str, name: str, ledger: Ledger) -> str | None:
    """Return the id of an intended step as its process has recorded it, or as EMR shows it.

    None while neither has it; nothing ("") when the addition was refused.
    """
    newest = recorded(ledger, cluster_id, name).newest
    if newest is None or newest.state == REFUSED:
        return ""
    return newest.step_id or unrecorded(context, cluster_id, name, ledger)


def unrecorded(
    context: Context, cluster_id: str, name: str, ledger: Ledger, alike: StepSettings | None = None
) -> str | None:
    """Find a step whose addition got no answer: same name, young enough, and in no line of the ledger.

    One that this process has just added is `alike`: it has these arguments. Another process may have had
    others: its step counts all the same, or the run would get a second one. On a shared cluster only steps
    with the run's label count.
    """
    run = ledger.read()
    entries = list(entries_of(run, name, cluster_id)) if run else []
    if not entries:
        return None
    taken = {entry.step_id for entry in entries}
    label = label_on(run, cluster_id)
    age = timedelta(seconds=ledger.age_seconds(entries[0].intent_at))
    since = context.clock.now() - age - _SKEW
    for seen in context.effects.list_steps(cluster_id):
        fits = alike is None or (seen.jar, seen.args) == (alike.jar, alike.args)
        is_new = seen.id not in taken and seen.created_at >= since
        if (seen.name, seen.run) == (name, label) and fits and is_new:
            record(ledger, seen.id, name=name, cluster_id=cluster_id)
            return seen.id
    return None
