"""Launching a run's cluster once, whatever answer is lost, and waiting until it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import states, watch
from kiln.clusters import describe_change, oldest
from kiln.errors import AwsError, DeadlineError, KilnError, LaunchError, ThrottledError, UnansweredError
from kiln.ledger import Attempt, Event
from kiln.request import launch_request

if TYPE_CHECKING:
    from kiln.clusters import Waiting
    from kiln.context import Context
    from kiln.effects import Cluster
    from kiln.ledger import Ledger, Run
    from kiln.request import Identity
    from kiln.settings.model import ClusterShape

# How long a launch whose answer was lost may take to show up in ListClusters.
DOUBT_SECONDS = 30.0
DOUBT_INTERVAL_SECONDS = 3.0
_LAUNCH_TRIES = 3


def launch(context: Context, identity: Identity, shape: ClusterShape, ledger: Ledger) -> tuple[Cluster, bool]:
    """Make sure that the run has a cluster; return it, and whether it was launched now.

    Intent first, then the launch with the run in its tags, then the id. After any doubt the tags are asked
    before anything is launched again. Raises LaunchError, or ThrottledError when AWS never let us.
    """
    known = attached(context, identity, ledger)
    if known is not None:
        _record(ledger, known.id)
        return known, False
    ledger.update(lambda run: run.attempts.append(Attempt(intent_at=ledger.now())))
    error: KilnError | None = None
    for attempt in range(_LAUNCH_TRIES):
        context.stop.check()
        try:
            launched = context.effects.run_job_flow(launch_request(identity, shape, context.clock.now()))
        except ThrottledError as caught:
            error = caught
            context.clock.wait(5.0 * 2**attempt, context.stop.event)
            continue
        except UnansweredError as caught:
            error = caught
            found = _look_after_doubt(context, identity)
            if found is not None:
                return _settle(context, identity, ledger, found), True
            continue
        except AwsError as caught:
            raise LaunchError(
                caught.message, fix=caught.fix or "correct the emr_cluster_* settings"
            ) from caught
        return _settle(context, identity, ledger, launched), True
    if isinstance(error, UnansweredError):
        raise LaunchError(f"the cluster could not be launched: {error.message}", fix=error.fix) from error
    raise error or LaunchError("the cluster could not be launched")


def attached(context: Context, identity: Identity, ledger: Ledger) -> Cluster | None:
    """Return the run's usable cluster if there is one, after waiting out a launch that is in doubt."""
    found = oldest(context, identity)
    if found is not None:
        return found
    run = ledger.read()
    if run is not None and run.launch_in_doubt:
        known = _look_after_doubt(context, identity)
        return None if known is None else context.effects.describe_cluster(known)
    return None


def _look_after_doubt(context: Context, identity: Identity) -> str | None:
    """Ask the tags until a launch without an answer has shown up, or surely has not happened."""
    try:
        found = watch.until(
            context,
            lambda: oldest(context, identity),
            lambda cluster: cluster is not None,
            what="looking for a cluster whose launch got no answer",
            timeout_seconds=DOUBT_SECONDS,
            interval_seconds=DOUBT_INTERVAL_SECONDS,
        )
    except DeadlineError:
        return None
    return found.id if found else None


def _record(ledger: Ledger, cluster_id: str) -> None:
    def change(run: Run) -> None:
        if any(attempt.cluster_id == cluster_id for attempt in run.attempts):
            return
        if not run.launch_in_doubt:
            run.attempts.append(Attempt(intent_at=ledger.now()))
        run.attempts[-1].cluster_id = cluster_id
        run.attempts[-1].launched_at = ledger.now()
        run.events.append(Event(at=ledger.now(), kind="cluster_launched", data={"cluster_id": cluster_id}))

    # The cluster exists and its tags say whose it is: not being able to write that down ends nothing.
    ledger.try_update(change)


def _settle(context: Context, identity: Identity, ledger: Ledger, ours: str) -> Cluster:
    """Record the launched cluster; when a second one of the same run exists, keep the older and end ours."""
    _record(ledger, ours)
    context.tell(f"cluster {ours}: launched")
    first = oldest(context, identity)
    if first is None or first.id == ours:
        return context.effects.describe_cluster(ours)
    context.effects.terminate_cluster(ours)
    ledger.note("second_cluster_ended", cluster_id=ours, kept=first.id)
    context.tell(f"cluster {first.id} of the same run is older: {ours} was ended")
    _record(ledger, first.id)
    return first


def wait_until_up(context: Context, cluster_id: str, waiting: Waiting) -> Cluster:
    """Return when the cluster can run steps. Raises LaunchError (11, or 12: no capacity), DeadlineError."""
    cluster = watch.until(
        context,
        lambda: context.effects.describe_cluster(cluster_id),
        lambda seen: seen.state in states.CLUSTER_UP | states.CLUSTER_ENDING | states.CLUSTER_ENDED,
        what=f"the launch of cluster {cluster_id}",
        timeout_seconds=waiting.timeout_seconds,
        interval_seconds=waiting.interval_seconds,
        on_change=lambda seen: context.tell(describe_change(seen)),
    )
    if cluster.state in states.CLUSTER_UP:
        return cluster
    why = "; ".join(filter(None, (cluster.reason_message.strip(), *cluster.detail_messages)))
    raise LaunchError(
        f"cluster {cluster_id} did not start: {cluster.state} {cluster.reason_code}: {why or 'no reason'}",
        exit_code=states.launch_failure(cluster.reason_code, cluster.detail_codes, cluster.reason_message),
        fix=f"logs: {cluster.log_uri}{cluster_id}/node/" if cluster.log_uri else "",
    )
