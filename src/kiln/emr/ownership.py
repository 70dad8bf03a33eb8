"""Which clusters are a run's, by name, tags, ledger and process (docs/decisions/0008)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import identity
from kiln.emr import clusters, states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.identity import Identity


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


def of_run(
    context: Context, run: Identity, remembered: Sequence[str] = (), launched: Sequence[str] = ()
) -> Found:
    """Ask AWS for the clusters of a run: by name, by what its ledger remembers, by what was launched here.

    Costs one ListClusters, and a DescribeCluster for each cluster of this run only.
    """
    listed = [one.id for one in clusters.listed(context, run.environment, run.pipeline, run.run_id)]
    mine, disputed, ended, unseen = [], [], [], []
    for cluster_id in dict.fromkeys([*listed, *launched, *remembered]):
        cluster = clusters.seen(context, cluster_id)
        if cluster is None:
            unseen.append(cluster_id)
        elif cluster.state in states.CLUSTER_ENDED:
            ended.append(cluster)
        elif cluster_id in launched or _is_mine(cluster, run, remembered):
            mine.append(cluster)
        else:
            disputed.append(cluster)
    return Found(
        mine=tuple(sorted(mine, key=clusters.age)),
        disputed=tuple(disputed),
        ended=tuple(ended),
        unseen=tuple(unseen),
    )


def _is_mine(cluster: Cluster, run: Identity, remembered: Sequence[str]) -> bool:
    """Return whether a cluster has the run's name, and its tags or the ledger say so too."""
    confirmed = identity.is_confirmed_by(cluster.tags, run) or cluster.id in remembered
    return cluster.name == identity.name_of(run) and confirmed


def contradiction(found: Sequence[Cluster], run: Identity) -> str:
    """Return a line that names the clusters that may or may not be the run's."""
    ids = " ".join(one.id for one in found)
    return f"name, tags and ledger contradict each other about whether {ids} belongs to run {run.run_id}"
