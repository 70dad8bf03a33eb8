"""Clusters as AWS shows them now: by name, by id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import identity
from kiln.emr import lost_calls, states
from kiln.errors import ClusterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, ClusterSummary


def listed(
    context: Context,
    environment: str,
    pipeline: str | None = None,
    run_id: str | None = None,
    wanted: Iterable[str] = states.CLUSTER_LIVE,
) -> list[ClusterSummary]:
    """Return the clusters that have a run's name, or that of any run of a pipeline, oldest first: one call.

    Without `pipeline` those of any pipeline of the environment.

    ListClusters shows no tags. A name cannot be changed after the launch; it identifies the run.
    """
    return of_runs(context.effects.list_clusters(wanted), environment, pipeline, run_id)


def live(context: Context) -> list[ClusterSummary]:
    """Return all live clusters, those of others too, in no order: one call."""
    return context.effects.list_clusters(states.CLUSTER_LIVE)


def of_runs(
    listed: Iterable[ClusterSummary], environment: str, pipeline: str | None = None, run_id: str | None = None
) -> list[ClusterSummary]:
    """Return those of the clusters that have a run's name, oldest first."""

    def fits(summary: ClusterSummary) -> bool:
        of = identity.of_name(summary.name)
        if of is None or of.environment != environment:
            return False
        return pipeline in {None, of.pipeline} and run_id in {None, of.run_id}

    return sorted(filter(fits, listed), key=age)


def named(
    context: Context,
    environment: str,
    pipeline: str | None = None,
    run_id: str | None = None,
    wanted: Iterable[str] = states.CLUSTER_LIVE,
) -> list[Cluster]:
    """Return the same clusters as DescribeCluster shows them: one call for each."""
    wanted = frozenset(wanted)
    found = [seen(context, one.id) for one in listed(context, environment, pipeline, run_id, wanted)]
    return [one for one in found if one and one.state in wanted]


def age(cluster: ClusterSummary) -> tuple[object, str]:
    """Return a key that sorts the oldest cluster first."""
    return cluster.created_at, cluster.id


def seen(context: Context, cluster_id: str) -> Cluster | None:
    """Return a cluster as AWS shows it now; None when it does not know it (yet, or any more)."""
    try:
        return context.effects.describe_cluster(cluster_id)
    except ClusterNotFoundError:
        return None


def shown(context: Context, cluster_id: str) -> Cluster:
    """Return a cluster that exists, as soon as AWS shows it. Raises ClusterNotFoundError."""
    missing = ClusterNotFoundError(
        f"AWS has not shown cluster {cluster_id} for {lost_calls.LAG_SECONDS:.0f} s",
        fix="run the terminate action: it ends the cluster by its id",
    )
    return lost_calls.shown(context, lambda: seen(context, cluster_id), f"cluster {cluster_id}", missing)
