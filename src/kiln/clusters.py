"""Clusters of a run: find by tags, launch once, wait, end and prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import states, watch
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    DeadlineError,
    KilnError,
    LaunchError,
    NotTerminatedError,
    ThrottledError,
    UnansweredError,
)
from kiln.ledger import Attempt, Event
from kiln.request import MANAGED_BY, cluster_name, launch_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kiln.context import Context
    from kiln.effects import Cluster
    from kiln.ledger import Ledger, Run
    from kiln.request import Identity
    from kiln.settings.model import ClusterShape

# How long a launch whose answer was lost may take to show up in ListClusters.
DOUBT_SECONDS = 30.0
_DOUBT_INTERVAL_SECONDS = 3.0
_LAUNCH_TRIES = 3


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a cluster and how often to look."""

    timeout_seconds: float
    interval_seconds: float


def line(cluster: Cluster) -> str:
    """Return a cluster as one line of a list."""
    run_id = cluster.tags.get("run_id", "?")
    return f"{cluster.id}  {cluster.state}  run {run_id}  started {cluster.created_at:%Y-%m-%d %H:%M} UTC"


def find(
    context: Context,
    environment: str,
    pipeline: str,
    run_id: str | None = None,
    wanted: Iterable[str] = states.CLUSTER_LIVE,
) -> list[Cluster]:
    """Return a pipeline's clusters by their tags, oldest first.

    ListClusters gives no tags: names only narrow the search, the tags of DescribeCluster decide.
    """
    prefix = cluster_name(environment, pipeline)
    wanted = frozenset(wanted)
    found = []
    for summary in context.effects.list_clusters(wanted):
        if not summary.name.startswith(prefix):
            continue
        cluster = context.effects.describe_cluster(summary.id)
        if cluster.state in wanted and _is_of(cluster, environment, pipeline, run_id):
            found.append(cluster)
    return sorted(found, key=lambda cluster: (cluster.created_at, cluster.id))


def _is_of(cluster: Cluster, environment: str, pipeline: str, run_id: str | None) -> bool:
    tags = cluster.tags
    expected = {"managed_by": MANAGED_BY, "environment": environment, "pipeline": pipeline}
    if run_id is not None:
        expected["run_id"] = run_id
    return all(tags.get(key) == value for key, value in expected.items())


def only(context: Context, environment: str, pipeline: str, run_id: str | None = None) -> Cluster:
    """Return the one usable cluster, or raise ClusterNotFoundError with the list of what there is."""
    found = find(context, environment, pipeline, run_id, states.CLUSTER_USABLE)
    if len(found) == 1:
        return found[0]
    raise not_one(found, environment, pipeline, run_id)


def not_one(
    found: list[Cluster], environment: str, pipeline: str, run_id: str | None
) -> ClusterNotFoundError:
    """Return the error for a search that found none or several."""
    whose = f"pipeline {pipeline} in {environment}" + (f", run {run_id}" if run_id else "")
    if not found:
        return ClusterNotFoundError(
            f"no live cluster of {whose}",
            fix=f"launch one: kiln run {pipeline} launch --env {environment}",
        )
    return ClusterNotFoundError(
        f"{len(found)} live clusters of {whose}",
        fix="say which: --run-id, or -e run_id= with ansible-playbook"
        if run_id is None
        else "end the one that is too many",
        details=tuple(line(cluster) for cluster in found),
    )


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
    found = _oldest(context, identity)
    if found is not None:
        return found
    run = ledger.read()
    if run is not None and in_doubt(run):
        known = _look_after_doubt(context, identity)
        return None if known is None else context.effects.describe_cluster(known)
    return None


def in_doubt(run: Run) -> bool:
    """Tell whether the last launch was meant but its outcome never recorded."""
    return bool(run.attempts) and run.attempts[-1].cluster_id is None


def _oldest(context: Context, identity: Identity) -> Cluster | None:
    found = find(context, identity.environment, identity.pipeline, identity.run_id, states.CLUSTER_USABLE)
    return found[0] if found else None


def _look_after_doubt(context: Context, identity: Identity) -> str | None:
    """Ask the tags until a launch without an answer has shown up, or surely has not happened."""
    try:
        found = watch.until(
            context,
            lambda: _oldest(context, identity),
            lambda cluster: cluster is not None,
            what="looking for a cluster whose launch got no answer",
            timeout_seconds=DOUBT_SECONDS,
            interval_seconds=_DOUBT_INTERVAL_SECONDS,
        )
    except DeadlineError:
        return None
    return found.id if found else None


def _record(ledger: Ledger, cluster_id: str) -> None:
    def change(run: Run) -> None:
        if any(attempt.cluster_id == cluster_id for attempt in run.attempts):
            return
        if not in_doubt(run):
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
    oldest = _oldest(context, identity)
    if oldest is None or oldest.id == ours:
        return context.effects.describe_cluster(ours)
    context.effects.terminate_cluster(ours)
    ledger.note("second_cluster_ended", cluster_id=ours, kept=oldest.id)
    context.tell(f"cluster {oldest.id} of the same run is older: {ours} was ended")
    _record(ledger, oldest.id)
    return oldest


def describe_change(cluster: Cluster) -> str:
    """Return a cluster's state as a line for people."""
    reason = f" ({cluster.reason_message.strip()})" if cluster.reason_message.strip() else ""
    return f"cluster {cluster.id}: {cluster.state}{reason}"


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


def terminate(context: Context, cluster_id: str, waiting: Waiting) -> Cluster:
    """End a cluster; return only when DescribeCluster says that it ended. Raises NotTerminatedError (20)."""
    asked = False

    def look() -> Cluster:
        nonlocal asked
        cluster = context.effects.describe_cluster(cluster_id)
        if cluster.state not in states.CLUSTER_ENDED | states.CLUSTER_ENDING or not asked:
            _ask_for_the_end(context, cluster)
            asked = True
        return cluster

    try:
        return watch.until(
            context,
            look,
            lambda seen: seen.state in states.CLUSTER_ENDED,
            what=f"the end of cluster {cluster_id}",
            timeout_seconds=waiting.timeout_seconds,
            interval_seconds=waiting.interval_seconds,
            on_change=lambda seen: context.tell(describe_change(seen)),
        )
    except (AwsError, ThrottledError, DeadlineError, ClusterNotFoundError) as error:
        raise NotTerminatedError(
            f"AWS did not confirm that cluster {cluster_id} ended: {error.message}",
            fix=f"it may still cost money: aws emr terminate-clusters --cluster-ids {cluster_id}",
        ) from error


def _ask_for_the_end(context: Context, cluster: Cluster) -> None:
    if cluster.state in states.CLUSTER_ENDED | states.CLUSTER_ENDING:
        return
    if cluster.termination_protected and cluster.tags.get("managed_by") == MANAGED_BY:
        context.effects.set_termination_protection(cluster.id, protected=False)
    context.effects.terminate_cluster(cluster.id)


def end_run(context: Context, identity: Identity, ledger: Ledger, waiting: Waiting) -> list[Cluster]:
    """End every cluster of a run, by tags and by the ledger; none is fine. Raises NotTerminatedError (20)."""
    ended: list[Cluster] = []
    refused: list[NotTerminatedError] = []
    for cluster_id in _clusters_of_run(context, identity, ledger, waiting):
        try:
            cluster = end(context, cluster_id, ledger, waiting)
        except NotTerminatedError as error:
            # One that does not end is no reason to leave the others alone.
            refused.append(error)
            continue
        ended.append(cluster)
    if refused:
        raise refused[0]
    return ended


def end(context: Context, cluster_id: str, ledger: Ledger, waiting: Waiting) -> Cluster:
    """End one cluster, prove it, and write it down."""
    cluster = terminate(context, cluster_id, waiting)
    _record_end(ledger, cluster)
    return cluster


def _clusters_of_run(context: Context, identity: Identity, ledger: Ledger, waiting: Waiting) -> list[str]:
    run = ledger.read_if_possible()
    # A launch whose outcome nobody recorded may still be on its way: look for longer.
    doubt = run is not None and in_doubt(run)
    started = context.clock.monotonic()

    def look() -> list[str]:
        found = find(context, identity.environment, identity.pipeline, identity.run_id)
        return [cluster.id for cluster in found]

    try:
        return watch.until(
            context,
            look,
            lambda found: bool(found) or not doubt or context.clock.monotonic() - started >= DOUBT_SECONDS,
            what=f"looking for the clusters of run {identity.run_id}",
            timeout_seconds=max(waiting.timeout_seconds, DOUBT_SECONDS * 2),
            interval_seconds=min(waiting.interval_seconds, _DOUBT_INTERVAL_SECONDS),
        )
    except (AwsError, ThrottledError, DeadlineError) as error:
        raise NotTerminatedError(
            f"AWS did not say whether run {identity.run_id} still has a cluster: {error.message}",
            fix=error.fix or "run the terminate action again when AWS answers",
        ) from error


def _record_end(ledger: Ledger, cluster: Cluster) -> None:
    def change(run: Run) -> None:
        for attempt in run.attempts:
            if attempt.cluster_id == cluster.id and attempt.ended_at is None:
                attempt.ended_at = ledger.now()
                attempt.end_state = cluster.state
        run.events.append(
            Event(
                at=ledger.now(), kind="cluster_ended", data={"cluster_id": cluster.id, "state": cluster.state}
            )
        )

    ledger.try_update(change)
