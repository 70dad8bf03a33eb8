"""Adding the steps of a run: each once a cluster, found again by its id in the ledger, never by name only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import paths
from kiln.aws.error_codes import REFUSALS
from kiln.emr import known_steps, lost_calls, programs, states, step_endings, step_identity
from kiln.emr.steps import entries_of, label_on, record, request
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    KilnError,
    StepFailedError,
    UnansweredError,
    UnreachableError,
    UsageError,
)
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass
from kiln.ledger.schema import REFUSED, StepEntry

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Step, StepRequest
    from kiln.emr.known_steps import Known
    from kiln.ledger.schema import Run, StepIdentity
    from kiln.ledger.store import Ledger
    from kiln.settings.model import StepSettings

_TRIES = 5


class _RetryError(Exception):
    """The ledger has to be read anew: another process has written about the step, or an answer was lost.

    No KilnError: that would mean that the call had no effect (lost_calls.create).
    """


def add(
    context: Context,
    cluster_id: str,
    step: StepSettings,
    ledger: Ledger,
    *,
    again: bool = False,
    request: str = "",
) -> tuple[Step, bool]:
    """Make sure that the step is on the cluster; return it, and whether it was added now.

    A step of this run that is active or complete is not added again; one that failed or was cancelled is, and
    with `again` a complete one, too. `request` (what asked for that) is written down with an addition. Raises
    UsageError when the active or complete one was added with another identity (jar, arguments, code,
    environment, inputs), FencedError (17) when another command has taken over, StepCancelledError (15) when
    somebody has cancelled the run, ThrottledError when AWS took no call.
    """
    return lost_calls.repeated_while_throttled(
        context,
        lambda: _known_or_added(context, cluster_id, step, ledger, again=again, asked_by=request),
    )


def _known_or_added(
    context: Context, cluster_id: str, step: StepSettings, ledger: Ledger, *, again: bool, asked_by: str
) -> tuple[Step, bool]:
    for _ in range(_TRIES):
        known = known_steps.of(context, cluster_id, step, ledger)
        identity = step_identity.of(context.effects, known.run, step, cluster_id)
        if known.step is not None and not (again and known.step.state in states.STEP_ENDED):
            _refuse_another_identity(context, step, known, identity)
            return known.step, False
        programs.publish(context.effects, [step])
        asked = request(step, label_on(known.run, cluster_id))
        try:
            _intend(ledger, step, known.newest, _intent(ledger, cluster_id, step, identity, asked_by))
            return _add(context, cluster_id, step, ledger, asked), True
        except _RetryError as error:
            context.report(str(error))
    raise StepFailedError(f"step {step.name} was not added to cluster {cluster_id} in {_TRIES} tries")


def attached(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger) -> Step | None:
    """Return the run's step on this cluster if it need not be added again.

    Raises UsageError as `add` does.
    """
    known = known_steps.of(context, cluster_id, step, ledger)
    if known.step is not None:
        now = step_identity.of(context.effects, known.run, step, cluster_id)
        _refuse_another_identity(context, step, known, now)
    return known.step


def _intent(
    ledger: Ledger, cluster_id: str, step: StepSettings, identity: StepIdentity, asked_by: str
) -> StepEntry:
    return StepEntry(
        name=step.name,
        cluster_id=cluster_id,
        intent_at=ledger.now(),
        identity=identity,
        optional=step.optional,
        request=asked_by,
    )


def _intend(ledger: Ledger, step: StepSettings, newest: StepEntry | None, intent: StepEntry) -> None:
    """Write down the addition. Raises _RetryError when another process has done so meanwhile."""

    def change(run: Run) -> None:
        # The write has a condition on what is read here, so only one of two processes adds the step.
        if next(entries_of(run, step.name, intent.cluster_id), None) != newest:
            raise _RetryError(f"step {step.name}: another process has added it")
        run.steps.append(intent)

    ledger.intend(change)


def _add(context: Context, cluster_id: str, step: StepSettings, ledger: Ledger, asked: StepRequest) -> Step:
    try:
        step_id = _created(context, cluster_id, step, ledger, asked)
    except UnansweredError:
        raise
    except AwsError as refusal:
        raise _refused(context, cluster_id, step, refusal) from refusal
    record(ledger, step_id, name=step.name, cluster_id=cluster_id)
    context.report(f"step {step.name}: added as {step_id}")
    return known_steps.shown(context, cluster_id, step_id, step.name)


def _created(
    context: Context, cluster_id: str, step: StepSettings, ledger: Ledger, asked: StepRequest
) -> str:
    def call() -> str:
        try:
            return context.effects.add_steps(cluster_id, [asked])[0]
        except UnreachableError:
            raise
        except UnansweredError as lost:
            if step.repeatable:
                raise _RetryError(
                    f"step {step.name}: {lost.message}; it may run twice: trying again"
                ) from lost
            raise

    return lost_calls.create(
        context,
        call,
        lambda: known_steps.unrecorded(context, cluster_id, step.name, ledger, step),
        what=f"step {step.name}",
        exit_code=ExitCode.STEP_FAILED,
        on_no_effect=lambda: _close_intent(ledger, step.name, cluster_id),
    )


def _refused(context: Context, cluster_id: str, step: StepSettings, refusal: AwsError) -> KilnError:
    """Return the error for a step that AWS did not take: because of the cluster's state, or of the step."""
    message = f"step {step.name} cannot be added to cluster {cluster_id}: {refusal.message}"
    cluster = lost_calls.appear(context, lambda: context.effects.describe_cluster(cluster_id), message)
    if cluster is None:
        return ClusterNotFoundError(message, fix=refusal.fix)
    if cluster.state not in states.CLUSTER_USABLE:
        # "A job flow that is shutting down, terminated, or finished may not be modified."
        return step_endings.not_begun(context, cluster, step.name)
    forbidden = refusal.code in REFUSALS
    return StepFailedError(
        message,
        fix=refusal.fix or f"correct the step {step.name} (steps)",
        failure_class=FailureClass.PERMISSION if forbidden else FailureClass.VALIDATION,
    )


def _close_intent(ledger: Ledger, name: str, cluster_id: str) -> None:
    """Write down that the last addition has had no effect."""

    def change(run: Run) -> None:
        newest = next(entries_of(run, name, cluster_id), None)
        if newest is not None and newest.step_id is None:
            newest.state = REFUSED

    ledger.try_update(change)


def _refuse_another_identity(context: Context, wanted: StepSettings, known: Known, now: StepIdentity) -> None:
    """Refuse to take a step of this run for one that was added with something else (date, -e, code, …)."""
    if known.step is None or known.newest is None or known.run is None:
        return
    found = step_identity.differences(step_identity.as_added(known.newest.identity, known.step), now)
    if not found:
        return
    again = f"run it again by {'-e emr_steps_again=true' if context.by_hand else '--again'}"
    if known.step.state not in states.STEP_ENDED:
        run = known.run
        where = (run.pipeline, "--env", run.environment, "--run-id", run.run_id, "--step", wanted.name)
        again = f"cancel it ({paths.command('cancel', *where)})"
    raise UsageError(
        f"step {wanted.name} of this run ({known.step.id}) is {known.step.state} with {' and '.join(found)}",
        fix=f"give the same date and variables as before, {again}, or begin a new run",
        details=tuple(line for lines in found.values() for line in lines),
    )
