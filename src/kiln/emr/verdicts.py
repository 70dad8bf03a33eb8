"""The verdict of a run, from its ledger and AWS, whichever command or playbook worked on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from kiln import phases
from kiln.emr import clusters, evidence, lost_calls, states, steps, verdict_table
from kiln.emr.states import Verdict
from kiln.emr.verdict_facts import GONE, Evidence, StepFact
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import REFUSED

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.ledger.schema import Phase, Run, StepEntry


class Shown(NamedTuple):
    """The verdict of a run, and the class of its failure; empty when it has none."""

    verdict: str
    failure_class: str = ""


def shown(context: Context, run: Run, *, live: bool) -> Shown:
    """Return the verdict of a run as it is now; `live`: it has a cluster.

    The recorded one counts unless it is outdated; then, and when there is none, AWS decides.
    """
    if run.verdict != Verdict.RUNNING.value and not is_outdated(run, live=live):
        return Shown(run.verdict, run.failure_class)
    if live or _is_starting(context, run):
        return Shown(Verdict.RUNNING.value)
    return of_row(of_ended(context, run))


def after_end(context: Context, run: Run | None, cluster_id: str | None) -> Shown:
    """Return the verdict of a run whose cluster was ended just now.

    The class that a command recorded before is kept: it knew more, such as the nodes that were lost.
    """
    now = of_row(of_ended(context, run, cluster_id))
    is_same = run is not None and run.verdict == now.verdict and not is_outdated(run, live=False)
    return Shown(now.verdict, run.failure_class) if run and is_same else now


def of_row(row: verdict_table.Row) -> Shown:
    """Return what a row of the table shows."""
    return Shown(row.verdict.value, row.failure_class.value if row.failure_class else "")


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


def of_ended(context: Context, run: Run | None, cluster_id: str | None = None) -> verdict_table.Row:
    """Return the verdict of a run that has no live cluster: by the last try of each of its phases and steps.

    Without a ledger, the steps of `cluster_id` decide.
    """
    facts = _steps(context, run, cluster_id)
    # A step is judged by itself: a playbook may have repeated it since a command failed.
    # The phase that ends the cluster decides nothing about what was built.
    by_itself = (entry.name for entry in run.steps if entry.step_id or entry.optional) if run else ()
    apart = {phases.TERMINATE.name, *by_itself}
    failed = tuple(one.name for one in failed_phases(run) if one.name not in apart) if run else ()
    alone = verdict_table.judge(Evidence(steps=facts, failed_phases=failed))
    if alone.verdict is Verdict.SUCCEEDED:
        return alone
    cluster = _cluster(context, run, cluster_id)
    seen = evidence.of_cluster(context, cluster, steps=facts, failed_phases=failed)
    return verdict_table.judge(replace(seen, refusal=_refusal(run)))


def _cluster(context: Context, run: Run | None, cluster_id: str | None) -> Cluster | str:
    """Return the run's last cluster, or the state that is recorded of it when AWS has forgotten it."""
    known = cluster_id or (run.cluster_ids[-1] if run and run.cluster_ids else None)
    if known is None:
        return ""
    kept = [one.end_state for one in run.attempts if one.cluster_id == known] if run else []
    return clusters.seen(context, known) or next(filter(None, kept), GONE)


def _refusal(run: Run | None) -> str:
    """Return REFUSED when AWS refused the run's last launch."""
    return REFUSED if run and run.attempts and run.attempts[-1].end_state == REFUSED else ""


def failed_phases(run: Run) -> list[Phase]:
    """Return the phases whose last try failed and still matters, in the order of these tries."""
    latest = {entry.name: entry for entry in run.phases}
    failed = [entry for entry in run.phases if entry is latest[entry.name] and entry.status == "failed"]
    return [entry for entry in failed if not _was_repeated(run, entry)]


def _was_repeated(run: Run, entry: Phase) -> bool:
    """Return whether a step was begun after a playbook had failed: on a cluster that was ready then.

    Somebody may have run the playbook by hand meanwhile, which writes nothing about phases.
    """
    is_playbook = any(entry.name == row.name for row in phases.PLAYBOOKS)
    return is_playbook and bool(entry.ended_at) and any(one.intent_at >= entry.ended_at for one in run.steps)


def _steps(context: Context, run: Run | None, cluster_id: str | None) -> tuple[StepFact, ...]:
    """Return the last try of each step; steps of others count when the run has none."""
    if run and run.steps:
        latest = {entry.name: entry for entry in run.steps}
        return tuple(_fact(context, entry) for entry in latest.values())
    known = cluster_id or (run.cluster_ids[-1] if run and run.cluster_ids else None)
    listed = {one.name: one for one in steps.of_run(context, run, known)} if known else {}
    return tuple(evidence.step_fact(one) for one in listed.values())


def _fact(context: Context, entry: StepEntry) -> StepFact:
    """Return a step of the ledger. AWS is asked about one whose driver ended before it did.

    Without an id, or an answer, nobody knows its end.
    """
    if entry.state in states.STEP_ENDED:
        return StepFact(name=entry.name, state=entry.state, optional=entry.optional)
    seen = steps.seen_if_any(context, entry.cluster_id, entry.step_id) if entry.step_id else None
    if seen is None:
        return StepFact(name=entry.name, state="", optional=entry.optional)
    return evidence.step_fact(seen, optional=entry.optional)
