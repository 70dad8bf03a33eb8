"""Following a run that others work on, to its end: by its ledger and AWS, without any effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import verdicts, waiting
from kiln.emr.lock_holders import LockHolders
from kiln.emr.states import Verdict
from kiln.exit_codes import ExitCode
from kiln.failure_classes import FailureClass
from kiln.runs.result import Result

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.emr.at_work import Arrival
    from kiln.emr.lock_holders import Judged

# For a run whose end nobody has recorded.
_EXIT_CODES = {
    Verdict.SUCCEEDED.value: ExitCode.OK,
    Verdict.NO_STEP.value: ExitCode.OK,
    Verdict.CANCELLED.value: ExitCode.STEP_CANCELLED,
}
_UNKNOWN = verdicts.Shown(Verdict.UNKNOWN.value, FailureClass.UNKNOWN.value)


def follow(arrival: Arrival, run_id: str, *, timeout_seconds: float) -> Result:
    """Return the result of another run of the pipeline, once that has ended.

    Raises LockedError (17) when nobody works on it any more and its cluster lives, DeadlineError (16),
    InterruptedRunError.
    """
    context = arrival.context

    def poll(bounded: Context) -> Judged:
        return LockHolders(bounded, arrival.identity, arrival.state_uri).judge(run_id)

    shown = ""

    def show(seen: Judged) -> None:
        nonlocal shown
        line = _progress(seen)
        if line != shown:
            shown = line
            context.report(f"run {run_id}: {line}")

    seen = waiting.until(
        context,
        poll,
        # A held cluster is only kept for debugging: the run is over.
        lambda seen: not seen.lives or seen.held_until is not None,
        what=f"run {run_id}, which was followed,",
        timeout_seconds=timeout_seconds,
        interval_seconds=arrival.limits.interval_seconds,
        on_change=show,
    )
    if seen.is_dead:
        raise seen.refusal()
    return _result(context, seen)


def _progress(seen: Judged) -> str:
    run = seen.run
    parts = [f"cluster {seen.cluster.id} {seen.cluster.state}"] if seen.cluster else ["no live cluster"]
    parts += [f"{one.name} {one.status}" for one in run.phases] if run else []
    parts += [f"{one.name} runs" for one in run.steps if one.step_id and one.state is None] if run else []
    return ", ".join(parts)


def _result(context: Context, seen: Judged) -> Result:
    identity, run = seen.identity, seen.run
    live = seen.cluster is not None
    shown = verdicts.shown(context, run, live=live) if run else _UNKNOWN
    if shown.verdict == Verdict.RUNNING.value:
        # Nobody works on it any more, and nobody has said how it ended.
        shown = _UNKNOWN
    code = _EXIT_CODES.get(shown.verdict, ExitCode.STEP_FAILED)
    recorded = run is not None and run.exit_code is not None and not verdicts.is_outdated(run, live=live)
    # The success of an action is none of the run.
    if run and recorded and run.exit_code in set(ExitCode) - {ExitCode.OK}:
        code = ExitCode(run.exit_code)
    return Result(
        environment=identity.environment,
        pipeline=identity.pipeline,
        run_id=identity.run_id,
        verdict=shown.verdict,
        failure_class=shown.failure_class,
        exit_code=int(code),
        exit_name=code.name.lower(),
        phase=run.failed_phase if run and recorded else None,
        message=run.message if run and recorded else "",
        cluster_id=run.cluster_ids[-1] if run and run.cluster_ids else None,
        phases=run.phases if run else [],
    )
