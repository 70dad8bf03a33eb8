"""Clusters of a run: which they are, by name, tags, ledger and process; and how they are shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import advice, identity
from kiln.emr import creating, states
from kiln.errors import ClusterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, ClusterSummary
    from kiln.identity import Identity
    from kiln.ledger.store import Ledger


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters that a run may have. The name is fixed at the launch, tags and ledger can be changed.

    `mine`: alive, and the name and one of tags and ledger say so, or this process worked on it. `disputed`:
    alive, and the sources contradict each other. `ended`: over. `unseen`: ids that the ledger or this process
    has, and AWS does not know (yet).
    """

    mine: tuple[Cluster, ...]
    disputed: tuple[Cluster, ...]
    ended: tuple[Cluster, ...]
    unseen: tuple[str, ...]


def identity_of(cluster: Cluster) -> Identity | None:
    """Return the run that a cluster is of by its name, if its tags confirm that it is Kiln's."""
    named = identity.of_name(cluster.name)
    return named if named and identity.is_confirmed_by(cluster.tags, named) else None


def line(cluster: Cluster) -> str:
    """Return a cluster as one line of a list."""
    named = identity.of_name(cluster.name)
    run = f"run {named.run_id}" if named else f"name {cluster.name!r}"
    note = "" if identity_of(cluster) else "  (its tags do not say so)"
    return f"{cluster.id}  {cluster.state}  {run}  started {cluster.created_at:%Y-%m-%d %H:%M} UTC{note}"


def describe_change(cluster: Cluster) -> str:
    """Return a cluster's state as a line for people."""
    reason = f" ({cluster.reason_message.strip()})" if cluster.reason_message.strip() else ""
    return f"cluster {cluster.id}: {cluster.state}{reason}"


def described(cluster: Cluster) -> dict[str, str]:
    """Return a cluster as the modules and the commands' JSON show it; names that are none are empty."""
    of = identity_of(cluster)
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


def named(
    context: Context,
    environment: str,
    pipeline: str,
    run_id: str | None = None,
    wanted: Iterable[str] = states.CLUSTER_LIVE,
) -> list[Cluster]:
    """Return the clusters that have a run's name, or that of any run of a pipeline, oldest first."""
    wanted = frozenset(wanted)

    def fits(summary: ClusterSummary) -> bool:
        of = identity.of_name(summary.name)
        if of is None or (of.environment, of.pipeline) != (environment, pipeline):
            return False
        return run_id in {None, of.run_id}

    listed = filter(fits, context.effects.list_clusters(wanted))
    found = [one for summary in listed if (one := seen(context, summary.id)) and one.state in wanted]
    return sorted(found, key=_age)


def find(
    context: Context,
    environment: str,
    pipeline: str,
    run_id: str | None = None,
    wanted: Iterable[str] = states.CLUSTER_LIVE,
) -> list[Cluster]:
    """Return a run's clusters, or a pipeline's, that have their name and tags, oldest first.

    ListClusters gives no tags: names choose what is described, the tags of DescribeCluster decide.
    """
    found = named(context, environment, pipeline, run_id, wanted)
    return [one for one in found if identity_of(one)]


def _age(cluster: Cluster) -> tuple[object, str]:
    return cluster.created_at, cluster.id


def seen(context: Context, cluster_id: str) -> Cluster | None:
    """Return a cluster as AWS shows it now; None when it does not know it (yet, or any more)."""
    try:
        return context.effects.describe_cluster(cluster_id)
    except ClusterNotFoundError:
        return None


def of_run(
    context: Context, run: Identity, remembered: Sequence[str] = (), launched: Sequence[str] = ()
) -> Found:
    """Ask AWS for the clusters of a run: by name, by what its ledger remembers, by what was launched here."""
    name = identity.name_of(run)
    listed = [one.id for one in context.effects.list_clusters(states.CLUSTER_LIVE) if one.name == name]
    mine, disputed, ended, unseen = [], [], [], []
    for cluster_id in dict.fromkeys([*listed, *launched, *remembered]):
        cluster = seen(context, cluster_id)
        if cluster is None:
            unseen.append(cluster_id)
        elif cluster.state in states.CLUSTER_ENDED:
            ended.append(cluster)
        elif cluster_id in launched or _is_mine(cluster, run, remembered):
            mine.append(cluster)
        else:
            disputed.append(cluster)
    return Found(
        mine=tuple(sorted(mine, key=_age)),
        disputed=tuple(disputed),
        ended=tuple(ended),
        unseen=tuple(unseen),
    )


def _is_mine(cluster: Cluster, run: Identity, remembered: Sequence[str]) -> bool:
    """Tell whether a cluster has the run's name, and its tags or the ledger say so too."""
    witness = identity.is_confirmed_by(cluster.tags, run) or cluster.id in remembered
    return cluster.name == identity.name_of(run) and witness


def usable(context: Context, run: Identity, ledger: Ledger | None) -> list[Cluster]:
    """Return the run's clusters that can be used, oldest first.

    A cluster that the ledger remembers as launched and not as ended is waited for until AWS shows it. Raises
    ClusterNotFoundError when it never does, and when the sources contradict each other about a cluster.
    """
    kept = ledger.read_if_possible() if ledger else None
    expected = set(kept.expected_ids(context.clock.now()) if kept else ())
    remembered = kept.cluster_ids if kept else []

    def look() -> Found | None:
        found = of_run(context, run, remembered)
        return None if not found.mine and expected.intersection(found.unseen) else found

    found = creating.appear(context, look, f"waiting for the cluster of run {run.run_id} to show up")
    if found is None:
        raise ClusterNotFoundError(
            f"the ledger of run {run.run_id} has {', '.join(sorted(expected))}, which AWS does not show",
            fix="run the same action again; if it stays so, look at that cluster in the console",
        )
    if found.disputed and not found.mine:
        raise contradicting(found.disputed, run)
    return [one for one in found.mine if one.state in states.CLUSTER_USABLE]


def contradiction(found: Sequence[Cluster], run: Identity) -> str:
    """Return the line that says which clusters may or may not be the run's."""
    ids = " ".join(one.id for one in found)
    return f"name, tags and ledger contradict each other about whether {ids} belongs to run {run.run_id}"


def contradicting(found: Sequence[Cluster], run: Identity) -> ClusterNotFoundError:
    """Return the error for live clusters that may or may not be the run's."""
    return ClusterNotFoundError(
        contradiction(found, run),
        fix="docs/operations/failed_run.md says how to find out",
        details=tuple(line(one) for one in found),
    )


def shown(context: Context, cluster_id: str) -> Cluster:
    """Return a cluster that exists, as soon as AWS shows it. Raises ClusterNotFoundError."""
    what = f"waiting for cluster {cluster_id} to show up"
    found = creating.appear(context, lambda: context.effects.describe_cluster(cluster_id), what)
    if found is None:
        raise ClusterNotFoundError(
            f"AWS has not shown cluster {cluster_id} for {creating.LAG_SECONDS:.0f} s",
            fix="run the terminate action: it ends the cluster by its id",
        )
    return found


def only(
    context: Context,
    environment: str,
    pipeline: str,
    run_id: str | None = None,
    ledger_of: Callable[[Identity], Ledger] | None = None,
) -> Cluster:
    """Return the one usable cluster, or raise ClusterNotFoundError with the list of what there is."""
    if run_id is None:
        found = named(context, environment, pipeline, None, states.CLUSTER_USABLE)
        run = identity.of_name(found[0].name) if len(found) == 1 else None
        if run and not identity_of(found[0]):
            raise contradicting(found, run)
    else:
        run = identity.Identity(environment=environment, pipeline=pipeline, run_id=run_id)
        found = usable(context, run, ledger_of(run) if ledger_of else None)
    if len(found) == 1:
        return found[0]
    raise not_one(context, found, environment, pipeline, run_id)


def not_one(
    context: Context, found: Sequence[Cluster], environment: str, pipeline: str, run_id: str | None
) -> ClusterNotFoundError:
    """Return the error for a search that found none or several."""
    whose = f"pipeline {pipeline} in {environment}" + (f", run {run_id}" if run_id else "")
    if not found:
        launch = advice.action("launch", environment, pipeline, run_id, by_hand=context.by_hand)
        return ClusterNotFoundError(f"no live cluster of {whose}", fix=f"launch one: {launch}")
    return ClusterNotFoundError(
        f"{len(found)} live clusters of {whose}",
        fix=f"say which: {advice.run_option(by_hand=context.by_hand)}"
        if run_id is None
        else "end the one that is too many",
        details=tuple(line(cluster) for cluster in found),
    )
