"""Clusters of a run: which they are, by name, tags, ledger and process; and how they are shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import creating, identity, paths, states
from kiln.errors import ClusterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kiln.context import Context
    from kiln.effects import Cluster, ClusterSummary
    from kiln.identity import Identity
    from kiln.ledger import Ledger


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a cluster and how often to look."""

    timeout_seconds: float
    interval_seconds: float


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The live clusters that a run may have. The name is fixed at the launch, tags and ledger can be changed.

    `mine`: the name and one of tags and ledger say so, or this process launched it. `disputed`: the sources
    contradict each other. `unseen`: ids that the ledger or this process has, and AWS does not know (yet).
    """

    mine: tuple[Cluster, ...]
    disputed: tuple[Cluster, ...]
    unseen: tuple[str, ...]


def run_id_of(cluster: Cluster) -> str:
    """Return the run that a cluster's tags name; empty when they do not name one."""
    of = identity.of_tags(cluster.tags)
    return of.run_id if of else ""


def line(cluster: Cluster) -> str:
    """Return a cluster as one line of a list."""
    run_id = run_id_of(cluster) or f"unknown (tag run_id is {cluster.tags.get('run_id')!r})"
    return f"{cluster.id}  {cluster.state}  run {run_id}  started {cluster.created_at:%Y-%m-%d %H:%M} UTC"


def describe_change(cluster: Cluster) -> str:
    """Return a cluster's state as a line for people."""
    reason = f" ({cluster.reason_message.strip()})" if cluster.reason_message.strip() else ""
    return f"cluster {cluster.id}: {cluster.state}{reason}"


def described(cluster: Cluster) -> dict[str, str]:
    """Return a cluster as the modules and the commands' JSON show it; names that are none are empty."""
    of = identity.of_tags(cluster.tags)
    return {
        "id": cluster.id,
        "name": cluster.name,
        "state": cluster.state,
        "run_id": of.run_id if of else "",
        "pipeline": of.pipeline if of else "",
        "environment": of.environment if of else "",
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
    """Return clusters by name and tags, oldest first: a run's, or a pipeline's.

    ListClusters gives no tags: names choose what is described, the tags of DescribeCluster decide.
    A pipeline's cluster may have a run_id tag that is missing or no run id; see `run_id_of`.
    """
    name = identity.cluster_name(environment, pipeline, run_id or "")
    wanted = frozenset(wanted)

    def fits(summary: ClusterSummary) -> bool:
        return summary.name == name if run_id else summary.name.startswith(name)

    found = []
    for summary in filter(fits, context.effects.list_clusters(wanted)):
        cluster = seen(context, summary.id)
        if cluster and cluster.state in wanted and _has_tags(cluster, environment, pipeline, run_id):
            found.append(cluster)
    return sorted(found, key=_age)


def _age(cluster: Cluster) -> tuple[object, str]:
    return cluster.created_at, cluster.id


def seen(context: Context, cluster_id: str) -> Cluster | None:
    """Return a cluster as AWS shows it now; None when it does not know it (yet, or any more)."""
    try:
        return context.effects.describe_cluster(cluster_id)
    except ClusterNotFoundError:
        return None


def _has_tags(cluster: Cluster, environment: str, pipeline: str, run_id: str | None) -> bool:
    expected = {"managed_by": identity.MANAGED_BY, "environment": environment, "pipeline": pipeline}
    if run_id is not None:
        expected["run_id"] = run_id
    return all(cluster.tags.get(key) == value for key, value in expected.items())


def of_run(
    context: Context, run: Identity, remembered: Sequence[str] = (), launched: Sequence[str] = ()
) -> Found:
    """Ask AWS for the live clusters of a run: by name, by what its ledger remembers, by what was launched."""
    name = identity.name_of(run)
    listed = [one.id for one in context.effects.list_clusters(states.CLUSTER_LIVE) if one.name == name]
    mine, disputed, unseen = [], [], []
    for cluster_id in dict.fromkeys([*listed, *remembered, *launched]):
        cluster = seen(context, cluster_id)
        if cluster is None:
            unseen.append(cluster_id)
        elif cluster.state in states.CLUSTER_ENDED:
            continue
        elif cluster_id in launched or _is_confirmed(cluster, run, remembered):
            mine.append(cluster)
        else:
            disputed.append(cluster)
    return Found(mine=tuple(sorted(mine, key=_age)), disputed=tuple(disputed), unseen=tuple(unseen))


def _is_confirmed(cluster: Cluster, run: Identity, remembered: Sequence[str]) -> bool:
    """Tell whether a cluster has the run's name, and its tags or the ledger say so too."""
    tagged = _has_tags(cluster, run.environment, run.pipeline, run.run_id)
    return cluster.name == identity.name_of(run) and (tagged or cluster.id in remembered)


def usable(context: Context, run: Identity, ledger: Ledger | None) -> list[Cluster]:
    """Return the run's clusters that can be used, oldest first.

    A cluster that the ledger remembers as launched and not as ended is waited for until AWS shows it.
    """
    kept = ledger.read_if_possible() if ledger else None
    expected = set(kept.expected_ids if kept else ())
    remembered = kept.cluster_ids if kept else []

    def look() -> list[Cluster] | None:
        found = of_run(context, run, remembered)
        fit = [one for one in found.mine if one.state in states.CLUSTER_USABLE]
        return None if not fit and expected.intersection(found.unseen) else fit

    return creating.appear(context, look, f"waiting for the cluster of run {run.run_id} to show up") or []


def only(
    context: Context,
    environment: str,
    pipeline: str,
    run_id: str | None = None,
    ledger_of: Callable[[Identity], Ledger] | None = None,
) -> Cluster:
    """Return the one usable cluster, or raise ClusterNotFoundError with the list of what there is."""
    if run_id is None:
        found = find(context, environment, pipeline, None, states.CLUSTER_USABLE)
    else:
        run = identity.Identity(environment=environment, pipeline=pipeline, run_id=run_id)
        found = usable(context, run, ledger_of(run) if ledger_of else None)
    if len(found) != 1:
        raise not_one(found, environment, pipeline, run_id)
    if run_id is None and not run_id_of(found[0]):
        raise without_run(found[0], environment, pipeline)
    return found[0]


def without_run(cluster: Cluster, environment: str, pipeline: str) -> ClusterNotFoundError:
    """Return the error for a cluster whose tags name no run."""
    return ClusterNotFoundError(
        f"the only live cluster of pipeline {pipeline} in {environment} does not say which run it is of",
        fix=f"end it: {paths.command('run', pipeline, 'terminate', '--env', environment)}",
        details=(line(cluster),),
    )


def not_one(
    found: Sequence[Cluster], environment: str, pipeline: str, run_id: str | None
) -> ClusterNotFoundError:
    """Return the error for a search that found none or several."""
    whose = f"pipeline {pipeline} in {environment}" + (f", run {run_id}" if run_id else "")
    if not found:
        run = ("--run-id", run_id) if run_id else ()
        return ClusterNotFoundError(
            f"no live cluster of {whose}",
            fix=f"launch one: {paths.command('run', pipeline, 'launch', '--env', environment, *run)}",
        )
    return ClusterNotFoundError(
        f"{len(found)} live clusters of {whose}",
        fix="say which: --run-id, or -e run_id= with ansible-playbook"
        if run_id is None
        else "end the one that is too many",
        details=tuple(line(cluster) for cluster in found),
    )
