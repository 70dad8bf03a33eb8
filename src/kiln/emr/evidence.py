"""Collecting the evidence that kiln.emr.verdict_table judges, with few calls.

Nothing is asked about a step that is COMPLETED. Of a failure: DescribeCluster; ListInstanceGroups and
ListInstances while the cluster is up, or when EMR says that an instance or a step ended it; DescribeInstances
of EC2 when nodes were lost that EMR does not call spot ones. What AWS does not answer is left out: the
failure itself must be reported all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from kiln.emr import clusters, ec2_nodes, states
from kiln.emr.verdict_facts import GONE, Awaited, Evidence, LostNode, StepFact
from kiln.errors import InterruptedRunError, KilnError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Group, Step

T = TypeVar("T")

# For how long the cluster, and then its nodes, may delay the report of a failure, in seconds.
_SECONDS = 30.0


def step_fact(step: Step, *, optional: bool = False) -> StepFact:
    """Return a step as evidence."""
    text = "; ".join(filter(None, (step.failure_reason, step.failure_message)))
    return StepFact(name=step.name, state=step.state, text=text, optional=optional)


def seen_cluster(context: Context, cluster_id: str) -> Cluster | str:
    """Return a cluster; GONE when AWS does not know it, nothing when AWS does not answer."""
    bounded = context.within(_SECONDS)
    found = _if_answered(lambda: [clusters.seen(bounded, cluster_id)])
    return found[0] or GONE if found else ""


def of_cluster(
    context: Context,
    cluster: Cluster | str,
    *,
    steps: tuple[StepFact, ...] = (),
    awaited: Awaited = Awaited.NOTHING,
    failed_phases: tuple[str, ...] = (),
    since: datetime | None = None,
) -> Evidence:
    """Return the evidence about a cluster; nodes that were lost before `since` do not count.

    A text in place of the cluster is its state, when nothing more is known. Raises InterruptedRunError.
    """
    bare = Evidence(steps=steps, awaited=awaited, failed_phases=failed_phases)
    if isinstance(cluster, str):
        return replace(bare, cluster_state=cluster)
    groups, lost = _nodes(context.within(_SECONDS), cluster, awaited, since)
    return replace(
        bare,
        cluster_state=cluster.state,
        reason_code=cluster.reason_code,
        reason_message="; ".join(filter(None, (cluster.reason_message.strip(), *cluster.detail_messages))),
        detail_codes=cluster.detail_codes,
        groups=tuple(groups),
        lost=lost,
    )


def _nodes(
    context: Context, cluster: Cluster, awaited: Awaited, since: datetime | None
) -> tuple[list[Group], tuple[LostNode, ...]]:
    """Return the groups and the lost nodes of a cluster where they can say something."""
    is_up = cluster.state in states.CLUSTER_UP
    # A step that failed with its nodes may have ended its cluster (TERMINATE_CLUSTER).
    by_step = since is not None and cluster.reason_code == "STEP_FAILURE"
    if not (is_up or by_step or cluster.reason_code == "INSTANCE_FAILURE"):
        return [], ()
    groups = _if_answered(lambda: context.effects.list_instance_groups(cluster.id))
    if is_up and awaited is Awaited.LAUNCH:
        return groups, ()
    gone = _if_answered(lambda: context.effects.list_lost_instances(cluster.id))
    gone = [one for one in gone if since is None or one.ended_at is None or one.ended_at >= since]
    of = {group.id: group for group in groups}
    markets = {one.id: one.market or (of[one.group_id].market if one.group_id in of else "") for one in gone}
    without = gone and "SPOT" not in markets.values()
    reasons = _ec2_reasons(context, cluster.id) if without else {}
    return groups, tuple(
        LostNode(
            kind=of[one.group_id].kind if one.group_id in of else "",
            market=markets[one.id],
            reason=reasons.get(one.ec2_instance_id, ""),
        )
        for one in gone
    )


def _ec2_reasons(context: Context, cluster_id: str) -> dict[str, str]:
    """Return why EC2 ended instances of a cluster, by their ids; EC2 shows them for about an hour."""
    filters = {
        f"tag:{ec2_nodes.JOB_FLOW_TAG}": [cluster_id],
        "instance-state-name": ["shutting-down", "terminated"],
    }
    found = _if_answered(lambda: context.effects.find_instances(filters))
    return {one.id: one.reason_code for one in found}


def _if_answered(ask: Callable[[], list[T]]) -> list[T]:
    """Return an answer of AWS; nothing when there is none."""
    try:
        return ask()
    except InterruptedRunError:
        raise
    except KilnError:
        return []
