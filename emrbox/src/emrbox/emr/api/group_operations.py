"""EMR's operations that change instance groups (docs/aws_facts.md 1.2, 2.3, 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import invalid_request, validation_error
from emrbox.emr import ids
from emrbox.emr.api import collection_type, scaling_validation, validation
from emrbox.emr.api.launch_request import new_group
from emrbox.emr.life import decisions, notices, states
from emrbox.emr.life.model import MAXIMUM_INSTANCES_IN_GROUP
from emrbox.emr.life.reconfiguring import configure, merged
from emrbox.emr.life.resizing import want
from emrbox.emr.life.states import GroupState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Group
    from emrbox.emr.life.store import Store

Document = dict[str, Any]
# Seen in hashicorp/terraform issue 22116; that it is the same for new groups is a guess.
ONLY_WHEN_READY = "An instance group may only be modified when the cluster is running or waiting"
BELOW_REPLICATION = (
    "The CORE instance group cannot be resized to {count} instances, fewer than the HDFS replication factor "
    "{factor}."
)


def add_instance_groups(store: Store, request: Document) -> Document:
    """Add task groups to a cluster that is ready."""
    cluster = store.job_flow(request["JobFlowId"])
    configs = request["InstanceGroups"]
    collection_type.require_groups(cluster, "AddInstanceGroups", "AddInstanceFleet")
    with cluster.lock:
        if cluster.status.state not in states.CLUSTER_READY:
            raise validation_error(ONLY_WHEN_READY)
        validation.check_added_groups(configs, [group.role for group in cluster.groups])
        scaling_validation.check_added_groups(
            configs,
            has_role=bool(cluster.request.get("AutoScalingRole")),
            is_managed=cluster.managed_scaling is not None,
        )
        types = [one["InstanceType"] for one in configs]
        validation.check_types(cluster.release_label, types, is_hollow=cluster.is_hollow)
        now = store.now(cluster)
        groups = [new_group(config, now) for config in configs]
        cluster.groups.extend(groups)
        for group in groups:
            if group.auto_scaling:
                cluster.announce(group.auto_scaling, None, now)
        cluster.wake()
    return {
        "JobFlowId": cluster.id,
        "InstanceGroupIds": [group.id for group in groups],
        "ClusterArn": ids.cluster_arn(cluster.id, cluster.account_id),
    }


def modify_instance_groups(store: Store, request: Document) -> Document:
    """Resize groups, end named instances of theirs, or change their configurations.

    All is checked before any of it is done.
    """
    changes = request.get("InstanceGroups", [])
    wanted = [change["InstanceGroupId"] for change in changes]
    cluster = _cluster_of(store, request.get("ClusterId"), wanted)
    if cluster is None:
        return {}
    collection_type.require_groups(cluster, "ModifyInstanceGroups", "ModifyInstanceFleet")
    with cluster.lock:
        if cluster.status.state not in states.CLUSTER_READY:
            raise validation_error(ONLY_WHEN_READY)
        groups = [group_of(cluster, group_id) for group_id in wanted]
        for group, change in zip(groups, changes, strict=True):
            _check(cluster, group, change)
        for group, change in zip(groups, changes, strict=True):
            count = _count_after(group, change)
            _apply(group, change)
            _reconfigure(cluster, group, change, store.now(cluster))
            want(cluster, group, {group.market: count}, store.now(cluster))
        cluster.wake()
    return {}


def _cluster_of(store: Store, cluster_id: str | None, group_ids: list[str]) -> Cluster | None:
    """Return the cluster that is named, or whose groups are; None for a request that names nothing."""
    if cluster_id is not None:
        return store.cluster(cluster_id)
    for cluster in store.all():
        if any(group.id in group_ids for group in cluster.groups):
            return cluster
    if group_ids:
        raise invalid_request(f"Instance group id '{group_ids[0][:60]}' is not valid.")
    return None


def group_of(cluster: Cluster, group_id: str) -> Group:
    """Return a group of a cluster; InvalidRequestException if it has no such group."""
    for group in cluster.groups:
        if group.id == group_id:
            return group
    raise invalid_request(f"Instance group id '{group_id[:60]}' is not valid.")


def _check(cluster: Cluster, group: Group, change: Document) -> None:
    validation.check_configurations(change.get("Configurations", []))
    named = _named(change)
    if group.role == "MASTER" and (named or "InstanceCount" in change):
        raise validation_error("The MASTER instance group cannot be resized.")
    known = {instance.ec2_id for instance in group.present}
    for ec2_id in named:
        if ec2_id not in known:
            raise validation_error(f"Instance {ec2_id[:60]} is not part of instance group {group.id}.")
    count = _count_after(group, change)
    if not 0 <= count <= MAXIMUM_INSTANCES_IN_GROUP:
        raise validation_error(f"Invalid instance count {count} for the {group.role} instance group.")
    factor = decisions.replication(cluster)
    if group.role == "CORE" and count < min(factor, len(group.present)):
        raise validation_error(BELOW_REPLICATION.format(count=count, factor=factor))


def _count_after(group: Group, change: Document) -> int:
    """Return the size that is asked for. Instances that are ended by name are not replaced (model)."""
    if "InstanceCount" in change:
        return int(change["InstanceCount"])
    return max(0, group.requested_count - len(_named(change)))


def _named(change: Document) -> set[str]:
    return set(change.get("EC2InstanceIdsToTerminate", []))


def _apply(group: Group, change: Document) -> None:
    policy = change.get("ShrinkPolicy", {})
    group.ids_to_terminate |= _named(change)
    instances = policy.get("InstanceResizePolicy", {})
    group.first_ids = set(instances.get("InstancesToTerminate", []))
    group.first_seconds = instances.get("InstanceTerminationTimeout")
    group.protected_ids = set(instances.get("InstancesToProtect", []))
    group.decommission_seconds = policy.get("DecommissionTimeout", group.decommission_seconds)
    if policy:
        group.shrink_policy = policy


def _reconfigure(cluster: Cluster, group: Group, change: Document, now: datetime) -> None:
    """Let a group's configurations be others. That they replace those before unless it says so is a guess."""
    if "Configurations" not in change:
        return
    record, old, new = group.reconfiguration, group.type.configurations, change["Configurations"]
    if record.applied is None:
        record.applied = old
    record.version += 1
    configure(group, merged(old, new) if change.get("ReconfigurationType") == "MERGE" else new)
    cluster.notify(notices.CHANGE_ASKED, group, now, version=record.version)
    if group.status.state is GroupState.RESIZING:
        cluster.notify(notices.CHANGE_BLOCKED, group, now, version=record.version)
