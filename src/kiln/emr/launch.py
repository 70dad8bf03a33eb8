"""Launching a run's cluster once, whatever answer is lost, and waiting until it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.watch import Watched
from kiln.emr import (
    clusters,
    end_request,
    evidence,
    finding,
    launched_steps,
    lost_calls,
    ownership,
    states,
    verdict_table,
    waiting,
)
from kiln.emr.descriptions import describe_change
from kiln.emr.request import launch_request
from kiln.emr.verdict_facts import Awaited, Evidence
from kiln.errors import AwsError, LaunchError, UnansweredError, UsageError, naming
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import REFUSED, Attempt, Event
from kiln.settings.existing_cluster import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.emr.waiting import Waiting
    from kiln.identity import Identity
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger
    from kiln.settings.model import ClusterShape, StepSettings


def launch(
    context: Context,
    identity: Identity,
    shape: ClusterShape,
    ledger: Ledger,
    steps: Sequence[StepSettings] = (),
) -> tuple[Cluster, bool]:
    """Make sure that the run has a cluster; return it, and whether it was launched now.

    `steps` are part of the launch of a cluster that ends by itself, and recorded when EMR shows them. Intent
    first, then the launch with the run in its name and tags, then the id. Raises LaunchError,
    UnknownOutcomeError (both 11), ThrottledError when AWS took no call, FencedError (17) when another command
    has taken over the run.
    """
    known = attached(context, identity, ledger)
    if known is not None:
        _record(ledger, known.id)
        launched_steps.record(context, known.id, ledger, steps)
        return known, False
    cluster_id = lost_calls.repeated_while_throttled(
        context, lambda: _launched(context, identity, shape, ledger, steps)
    )
    with naming(cluster_id):
        settled = _settle(context, identity, ledger, cluster_id)
        launched_steps.record(context, settled.id, ledger, steps)
        return settled, True


def _launched(
    context: Context,
    identity: Identity,
    shape: ClusterShape,
    ledger: Ledger,
    steps: Sequence[StepSettings],
) -> str:
    def call() -> str:
        return context.effects.run_job_flow(launch_request(identity, shape, context.clock.now(), steps))

    attempt = Attempt(intent_at=ledger.now(), nodes=shape.most_nodes)
    ledger.intend(lambda run: run.attempts.append(attempt))
    try:
        return lost_calls.create(
            context,
            call,
            lambda: next((one.id for one in _tagged(context, identity)), None),
            what=f"the cluster of run {identity.run_id}",
            exit_code=ExitCode.LAUNCH,
            on_no_effect=lambda: close_intent(ledger, REFUSED),
        )
    except UnansweredError:
        raise
    except AwsError as refusal:
        row = verdict_table.judge(Evidence(refusal=refusal.code or REFUSED))
        raise LaunchError(
            refusal.message,
            fix=refusal.fix or row.meaning.what_to_do,
            exit_code=row.exit_code,
            failure_class=row.failure_class,
        ) from refusal


def _tagged(context: Context, identity: Identity) -> list[Cluster]:
    """Return the run's usable clusters by name and tags."""
    found = ownership.of_run(context, identity)
    return [one for one in found.mine if one.state in states.CLUSTER_USABLE]


def close_intent(ledger: Ledger, end_state: str) -> None:
    """Write down that the last launch has had no effect (REFUSED), or none that showed (NOT_FOUND)."""

    def change(run: Run) -> None:
        if run.launch_is_open:
            run.attempts[-1].ended_at, run.attempts[-1].end_state = ledger.now(), end_state

    ledger.try_update(change)


def attached(context: Context, identity: Identity, ledger: Ledger) -> Cluster | None:
    """Return the run's usable cluster if there is one.

    The launch of another process that has no recorded outcome is searched for first: when it does not show
    up, it has not happened. Raises ClusterNotFoundError when it is not clear which it is.
    """
    run = ledger.read()
    if run is not None and run.shared_cluster_id:
        raise UsageError(
            f"run {run.run_id} uses the existing cluster {run.shared_cluster_id}, and {KEY} names none now",
            fix=f"name it again, or launch a cluster for a new run; terminate lets run {run.run_id} leave it",
        )
    found = finding.usable(context, identity, ledger)
    if not found and run is not None and run.launch_is_open:
        what = "searching for a cluster whose launch has no recorded outcome"
        seconds = lost_calls.unsettled_seconds(ledger.age_seconds(run.attempts[-1].intent_at))
        found = lost_calls.appear(context, lambda: _tagged(context, identity) or None, what, seconds) or []
    return found[0] if found else None


def _record(ledger: Ledger, cluster_id: str) -> bool:
    """Write a cluster of the run down; return whether another command has taken over the run meanwhile."""
    is_fenced = False

    def change(run: Run) -> None:
        nonlocal is_fenced
        is_fenced = ledger.is_fenced(run)
        if any(attempt.cluster_id == cluster_id for attempt in run.attempts):
            return
        if not run.launch_is_open:
            run.attempts.append(Attempt(intent_at=ledger.now()))
        run.attempts[-1].cluster_id = cluster_id
        run.attempts[-1].launched_at = ledger.now()
        # A hold was that of an earlier cluster.
        run.held_until = None
        run.events.append(Event(at=ledger.now(), kind="cluster_launched", data={"cluster_id": cluster_id}))

    # The cluster exists and its tags say whose it is: not being able to write that down ends nothing.
    ledger.try_update(change)
    return is_fenced


def _settle(context: Context, identity: Identity, ledger: Ledger, ours: str) -> Cluster:
    """Record the launched cluster; when a second one of the same run exists, keep the older and end ours."""
    is_fenced = _record(ledger, ours)
    context.report(f"cluster {ours}: launched")
    if is_fenced:
        # This process was stopped between its intent and its call. Nobody else knows of this cluster.
        end_request.ask_unseen(context.unguarded(), ours, ours=True)
        raise ledger.fenced()
    launched = clusters.shown(context, ours)
    first = next(iter(_tagged(context, identity)), launched)
    if first.id == ours:
        return launched
    end_request.ask(context, launched, ours=True)
    ledger.note("second_cluster_ended", cluster_id=ours, kept=first.id)
    context.report(f"cluster {first.id} of the same run is older: {ours} is being ended")
    _record(ledger, first.id)
    return first


def wait_until_up(context: Context, cluster_id: str, limits: Waiting) -> Cluster:
    """Return when the cluster can run steps.

    Raises LaunchError with the exit code and the class of kiln.emr.verdict_table, DeadlineError.
    """
    cluster = waiting.until(
        context,
        lambda bounded: bounded.effects.describe_cluster(cluster_id),
        lambda seen: seen.state in states.CLUSTER_UP | states.CLUSTER_ENDING | states.CLUSTER_ENDED,
        what=f"the launch of cluster {cluster_id}",
        timeout_seconds=limits.timeout_seconds,
        interval_seconds=limits.interval_seconds,
        on_change=lambda seen: context.report(describe_change(seen)),
        watched=lambda: Watched(cluster_id=cluster_id),
    )
    row = _judged(context, cluster)
    if row.verdict is states.Verdict.RUNNING or cluster.reason_code in states.ENDED_BY_STEPS:
        return cluster
    why = "; ".join(filter(None, (cluster.reason_message.strip(), *cluster.detail_messages)))
    what = row.evidence if cluster.state in states.CLUSTER_UP else why or "no reason"
    logs = f" Logs: {cluster.log_uri}{cluster_id}/node/" if cluster.log_uri else ""
    raise LaunchError(
        f"cluster {cluster_id} did not start: {cluster.state} {cluster.reason_code}: {what}",
        exit_code=row.exit_code,
        failure_class=row.failure_class,
        fix=f"{row.meaning.what_to_do}{logs}",
    )


def _judged(context: Context, cluster: Cluster) -> verdict_table.Row:
    """Return the row about a cluster that is up or has ended. Its nodes may be shown later than its state."""

    def ask() -> verdict_table.Row:
        return verdict_table.judge(evidence.of_cluster(context, cluster, awaited=Awaited.LAUNCH))

    row = ask()
    if cluster.state not in states.CLUSTER_UP or row.verdict is states.Verdict.RUNNING:
        return row
    what = f"waiting for the nodes of cluster {cluster.id}"
    shown = lost_calls.appear(context, lambda: _if_running(ask()), what)
    return shown or row


def _if_running(row: verdict_table.Row) -> verdict_table.Row | None:
    return row if row.verdict is states.Verdict.RUNNING else None
