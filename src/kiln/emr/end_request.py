"""The request that ends a cluster, with its protection cleared first where the cluster is Kiln's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import states
from kiln.errors import AwsError, ClusterNotFoundError, UnansweredError
from kiln.identity import MANAGED_BY

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster


def ask(context: Context, cluster: Cluster, *, ours: bool) -> None:
    """Ask for the end of a cluster, unless it is ending.

    Its protection is cleared when its tags say that it is Kiln's, or the caller knows that it is (`ours`).
    """
    if cluster.state in states.CLUSTER_ENDED | states.CLUSTER_ENDING:
        return
    if cluster.termination_protected and (ours or cluster.tags.get("managed_by") == MANAGED_BY):
        context.effects.set_termination_protection(cluster.id, protected=False)
    context.effects.terminate_cluster(cluster.id)


def ask_unseen(context: Context, cluster_id: str, *, ours: bool) -> None:
    """Ask for the end of a cluster that AWS does not show; a refusal now may be another answer later."""
    try:
        if ours:
            context.effects.set_termination_protection(cluster_id, protected=False)
        context.effects.terminate_cluster(cluster_id)
    except UnansweredError:
        raise
    except (ClusterNotFoundError, AwsError):
        return
