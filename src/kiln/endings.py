"""Ending clusters: asked for, proven by DescribeCluster, written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import states, watch
from kiln.clusters import describe_change, find
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    DeadlineError,
    NotTerminatedError,
    ThrottledError,
)
from kiln.launches import DOUBT_INTERVAL_SECONDS, DOUBT_SECONDS
from kiln.ledger import Event
from kiln.request import MANAGED_BY

if TYPE_CHECKING:
    from kiln.clusters import Waiting
    from kiln.context import Context
    from kiln.effects import Cluster
    from kiln.ledger import Ledger, Run
    from kiln.request import Identity


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


def _clusters_of_run(context: Context, identity: Identity, ledger: Ledger, waiting: Waiting) -> list[str]:
    run = ledger.read_if_possible()
    # A launch whose outcome nobody recorded may still be on its way: look for longer.
    doubt = run is not None and run.launch_in_doubt
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
            interval_seconds=min(waiting.interval_seconds, DOUBT_INTERVAL_SECONDS),
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
