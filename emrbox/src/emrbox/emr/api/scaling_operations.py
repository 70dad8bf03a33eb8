"""EMR's operations on managed and automatic scaling policies (docs/aws_facts.md 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import validation_error
from emrbox.emr import ids
from emrbox.emr.api import collection_type, scaling_validation, views
from emrbox.emr.api.group_operations import group_of
from emrbox.emr.api.launch_request import new_auto_scaling
from emrbox.emr.life import states
from emrbox.emr.life.model import Reason
from emrbox.emr.life.states import PolicyState, ReasonCode

if TYPE_CHECKING:
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.store import Clusters, Store

Document = dict[str, Any]
# Terraform's provider matches these in answers of EMR (internal/service/emr/managed_scaling_policy.go).
NOT_WHEN_OVER = "A job flow that is shutting down, terminated, or finished may not be modified."


def put_managed_scaling_policy(store: Store, request: Document) -> Document:
    """Scale a cluster within limits from now on, or within others."""
    cluster = store.cluster(request["ClusterId"])
    policy = request["ManagedScalingPolicy"]
    with cluster.lock:
        _require_live(cluster)
        if any(_is_attached(group.auto_scaling) for group in cluster.groups):
            raise validation_error(scaling_validation.NOT_BOTH)
        uses_fleets = collection_type.uses_fleets(cluster)
        markets = [g.market for g in cluster.groups if g.role == "CORE" and not uses_fleets]
        scaling_validation.check_managed(
            policy, uses_fleets=uses_fleets, core_market=next(iter(markets), None)
        )
        cluster.managed_scaling = policy
        cluster.wake()
    return {}


def get_managed_scaling_policy(clusters: Clusters, request: Document) -> Document:
    """Return the policy, or an empty answer when there is none."""
    policy = clusters.cluster(request["ClusterId"]).managed_scaling
    return {} if policy is None else {"ManagedScalingPolicy": policy}


def remove_managed_scaling_policy(store: Store, request: Document) -> Document:
    """Leave the sizes as they are."""
    cluster = store.cluster(request["ClusterId"])
    with cluster.lock:
        _require_live(cluster)
        cluster.managed_scaling = None
        cluster.wake()
    return {}


def put_auto_scaling_policy(store: Store, request: Document) -> Document:
    """Scale a group by rules from now on; a policy that it has is replaced."""
    cluster = store.cluster(request["ClusterId"])
    collection_type.require_groups(cluster, "PutAutoScalingPolicy", "PutManagedScalingPolicy")
    with cluster.lock:
        _require_live(cluster)
        group = group_of(cluster, request["InstanceGroupId"])
        policy = request["AutoScalingPolicy"]
        scaling_validation.check_automatic(
            policy,
            group.role,
            has_role=bool(cluster.request.get("AutoScalingRole")),
            is_managed=cluster.managed_scaling is not None,
        )
        now = store.now(cluster)
        before = group.auto_scaling
        group.auto_scaling = new_auto_scaling(group.id, policy, now, is_update=_is_attached(before))
        cluster.announce(group.auto_scaling, None, now)
        answer = views.auto_scaling_document(group.auto_scaling, cluster.id)
        cluster.wake()
    return {
        "ClusterId": cluster.id,
        "InstanceGroupId": group.id,
        "AutoScalingPolicy": answer,
        "ClusterArn": ids.cluster_arn(cluster.id, cluster.account_id),
    }


def remove_auto_scaling_policy(store: Store, request: Document) -> Document:
    """Detach a group's policy; nothing happens if it has none."""
    cluster = store.cluster(request["ClusterId"])
    collection_type.require_groups(cluster, "RemoveAutoScalingPolicy", "RemoveManagedScalingPolicy")
    with cluster.lock:
        _require_live(cluster)
        scaling = group_of(cluster, request["InstanceGroupId"]).auto_scaling
        if scaling is not None and _is_attached(scaling):
            reason = Reason(ReasonCode.USER_REQUEST)
            cluster.move(scaling, PolicyState.DETACHING, store.now(cluster), reason)
            cluster.wake()
    return {}


def _is_attached(scaling: Any) -> bool:
    """Whether a policy is attached, or on its way there, or has failed."""
    return scaling is not None and scaling.status.state not in {PolicyState.DETACHING, PolicyState.DETACHED}


def _require_live(cluster: Cluster) -> None:
    if cluster.status.state not in states.CLUSTER_LIVE:
        raise validation_error(NOT_WHEN_OVER)
