"""Clusters of a run: found by their tags, shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import paths, states
from kiln.errors import ClusterNotFoundError
from kiln.request import MANAGED_BY, cluster_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kiln.context import Context
    from kiln.effects import Cluster
    from kiln.request import Identity


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a cluster and how often to look."""

    timeout_seconds: float
    interval_seconds: float


def line(cluster: Cluster) -> str:
    """Return a cluster as one line of a list."""
    run_id = cluster.tags.get("run_id", "?")
    return f"{cluster.id}  {cluster.state}  run {run_id}  started {cluster.created_at:%Y-%m-%d %H:%M} UTC"


def describe_change(cluster: Cluster) -> str:
    """Return a cluster's state as a line for people."""
    reason = f" ({cluster.reason_message.strip()})" if cluster.reason_message.strip() else ""
    return f"cluster {cluster.id}: {cluster.state}{reason}"


def described(cluster: Cluster) -> dict[str, str]:
    """Return a cluster as the modules and the commands' JSON show it."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "state": cluster.state,
        "run_id": cluster.tags.get("run_id", ""),
        "pipeline": cluster.tags.get("pipeline", ""),
        "environment": cluster.tags.get("environment", ""),
        "master_public_dns_name": cluster.master_public_dns_name,
        "release_label": cluster.release_label,
        "log_uri": cluster.log_uri,
    }


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


def oldest(context: Context, identity: Identity) -> Cluster | None:
    """Return the run's usable cluster; the oldest one, should a lost answer have made two."""
    found = find(context, identity.environment, identity.pipeline, identity.run_id, states.CLUSTER_USABLE)
    return found[0] if found else None


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
        run = f" --run-id {run_id}" if run_id else ""
        return ClusterNotFoundError(
            f"no live cluster of {whose}",
            fix=f"launch one: {paths.program()} run {pipeline} launch --env {environment}{run}",
        )
    return ClusterNotFoundError(
        f"{len(found)} live clusters of {whose}",
        fix="say which: --run-id, or -e run_id= with ansible-playbook"
        if run_id is None
        else "end the one that is too many",
        details=tuple(line(cluster) for cluster in found),
    )
