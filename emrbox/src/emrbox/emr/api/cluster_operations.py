"""EMR's operations on clusters: each takes the store and a request that fits the model, and answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import invalid_request, validation_error
from emrbox.emr import ids
from emrbox.emr.api import collection_type, history, session_operations, validation, views
from emrbox.emr.api.launch_request import new_cluster
from emrbox.emr.api.paging import page
from emrbox.emr.api.security_operations import configuration_for_launch
from emrbox.emr.life import endings, states
from emrbox.emr.life.security import metadata_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.emr.life.model import Cluster, Group, Instance
    from emrbox.emr.life.store import Clusters, Store

Document = dict[str, Any]
PROTECTED = "Could not shut down one or more job flows since they are termination protected."
MAXIMUM_TERMINATIONS = 10


def run_job_flow(store: Store, request: Document) -> Document:
    """Launch a cluster. Not idempotent, as in EMR."""
    is_hollow = store.is_hollow({tag.get("Key", ""): tag.get("Value", "") for tag in request.get("Tags", [])})
    validation.check_run_job_flow(request, is_hollow=is_hollow)
    if refusal := session_operations.check_launch(request):
        raise validation_error(refusal)
    try:
        role = store.role_of_profile(request["JobFlowRole"])
    except KeyError:
        raise validation_error(f"Invalid InstanceProfile: {request['JobFlowRole']}.") from None
    security = None
    if name := request.get("SecurityConfiguration"):
        security = configuration_for_launch(store.security, name, is_hollow=is_hollow)
    clock = store.clock_of(is_hollow=is_hollow)
    cluster = new_cluster(request, role, clock.now())
    cluster.clock, cluster.is_hollow = clock, is_hollow
    cluster.public_access = store.security.public_access
    if security is not None:
        cluster.metadata_options = metadata_options(security.document)
    store.add(cluster)
    return {"JobFlowId": cluster.id, "ClusterArn": ids.cluster_arn(cluster.id, cluster.account_id)}


def describe_cluster(clusters: Clusters, request: Document) -> Document:
    """Everything about one cluster."""
    cluster = clusters.cluster(request["ClusterId"])
    with cluster.lock:
        return {"Cluster": views.cluster_document(cluster, clusters.now(cluster))}


def list_clusters(clusters: Clusters, request: Document) -> Document:
    """Clusters by state and creation time, newest first, 50 a page."""
    wanted = set(request.get("ClusterStates", []))
    after, before = request.get("CreatedAfter"), request.get("CreatedBefore")

    def is_wanted(cluster: Cluster) -> bool:
        return (
            (not wanted or cluster.status.state in wanted)
            and (after is None or cluster.status.created > after)
            and (before is None or cluster.status.created < before)
        )

    newest_first = clusters.all()[::-1]
    shown, marker = page(newest_first, request.get("Marker"), lambda c: c.id, wanted=is_wanted)
    documents = []
    for cluster in shown:
        with cluster.lock:
            documents.append(views.cluster_summary(cluster, clusters.now(cluster)))
    return views.present({"Clusters": documents, "Marker": marker})


def list_instance_groups(clusters: Clusters, request: Document) -> Document:
    """Return the groups of a cluster, 50 a page."""
    cluster = clusters.cluster(request["ClusterId"])
    collection_type.require_groups(cluster, "ListInstanceGroups", "ListInstanceFleets")
    with cluster.lock:
        shown, marker = page(cluster.groups, request.get("Marker"), lambda group: group.id)
        documents = [views.group_document(group, cluster.id) for group in shown]
        return views.present({"InstanceGroups": documents, "Marker": marker})


def list_instances(clusters: Clusters, request: Document) -> Document:
    """Return a cluster's instances by group or fleet, role and state."""
    cluster = clusters.cluster(request["ClusterId"])
    by_fleet = bool(request.get("InstanceFleetId") or request.get("InstanceFleetType"))
    by_group = bool(request.get("InstanceGroupId") or request.get("InstanceGroupTypes"))
    if by_group if collection_type.uses_fleets(cluster) else by_fleet:
        raise invalid_request(collection_type.EXCLUSIVE)
    wanted, roles = set(request.get("InstanceStates", [])), set(request.get("InstanceGroupTypes", []))
    roles |= {request["InstanceFleetType"]} if request.get("InstanceFleetType") else set()
    group_id = request.get("InstanceFleetId") or request.get("InstanceGroupId")
    if group_id and group_id not in {group.id for group in cluster.groups}:
        raise invalid_request(
            f"Instance {'fleet' if by_fleet else 'group'} id '{group_id[:60]}' is not valid."
        )

    def is_wanted(pair: tuple[Group, Instance]) -> bool:
        group, instance = pair
        return (
            (not roles or group.role in roles)
            and (not group_id or group.id == group_id)
            and (not wanted or instance.status.state in wanted)
        )

    with cluster.lock:
        found = history.instances(cluster, clusters.now(cluster))
        shown, marker = page(found, request.get("Marker"), lambda pair: pair[1].id, wanted=is_wanted)
        documents = [views.instance_document(*pair) for pair in shown]
    return views.present({"Instances": documents, "Marker": marker})


def list_bootstrap_actions(clusters: Clusters, request: Document) -> Document:
    """Return a cluster's bootstrap actions, 50 a page."""
    cluster = clusters.cluster(request["ClusterId"])
    numbered = list(enumerate(cluster.bootstrap_actions))
    shown, marker = page(numbered, request.get("Marker"), lambda pair: str(pair[0]))
    actions = [{"Name": a.name, "ScriptPath": a.path, "Args": list(a.args)} for _, a in shown]
    return views.present({"BootstrapActions": actions, "Marker": marker})


def terminate_job_flows(store: Store, request: Document) -> Document:
    """End up to ten clusters: the unprotected ones even if others are protected (docs/aws_facts.md 1.6)."""
    if len(request["JobFlowIds"]) > MAXIMUM_TERMINATIONS:
        raise validation_error(f"The maximum number of job flow IDs is {MAXIMUM_TERMINATIONS}.")
    clusters = [store.job_flow(job_flow_id) for job_flow_id in request["JobFlowIds"]]
    refused = False
    for cluster in clusters:
        with cluster.lock:
            if cluster.termination_protected and cluster.status.state in states.CLUSTER_LIVE:
                refused = True
            else:
                cluster.end(endings.by_user(), store.now(cluster))
                cluster.wake()
    if refused:
        raise validation_error(PROTECTED)
    return {}


def set_termination_protection(store: Store, request: Document) -> Document:
    """Protect clusters from TerminateJobFlows, or not."""

    def change(cluster: Cluster) -> None:
        cluster.termination_protected = request["TerminationProtected"]
        store.engine(cluster).protect_instances(protected=cluster.termination_protected)

    return _change_live(store, request["JobFlowIds"], change)


def set_keep_alive(store: Store, request: Document) -> Document:
    """Keep clusters without steps running, or end them."""

    def change(cluster: Cluster) -> None:
        cluster.keep_alive = request["KeepJobFlowAliveWhenNoSteps"]

    return _change_live(store, request["JobFlowIds"], change)


def set_unhealthy_node_replacement(store: Store, request: Document) -> Document:
    """Let core nodes that are unhealthy for 45 minutes be replaced, or not."""

    def change(cluster: Cluster) -> None:
        cluster.unhealthy_node_replacement = request["UnhealthyNodeReplacement"]

    return _change_live(store, request["JobFlowIds"], change)


def set_visible_to_all_users(store: Store, request: Document) -> Document:
    """Remember the flag, which has no effect since 2020."""

    def change(cluster: Cluster) -> None:
        cluster.visible_to_all_users = request["VisibleToAllUsers"]

    return _change_live(store, request["JobFlowIds"], change)


def modify_cluster(store: Store, request: Document) -> Document:
    """Change how many steps run at once."""
    cluster = store.cluster(request["ClusterId"])
    level = request.get("StepConcurrencyLevel")
    with cluster.lock:
        _require_live(cluster)
        if level is not None:
            validation.check_step_concurrency(level)
            cluster.step_concurrency = level
        cluster.wake()
        return {"StepConcurrencyLevel": cluster.step_concurrency}


def add_tags(store: Store, request: Document) -> Document:
    """Set tags on a cluster that is not over."""
    cluster = store.cluster(request["ResourceId"])
    validation.check_tags(request["Tags"])
    with cluster.lock:
        _require_live(cluster)
        new = {tag["Key"]: tag.get("Value", "") for tag in request["Tags"]}
        cluster.tags.update(new)
    store.engine(cluster).tag_instances(set_tags=new)
    return {}


def remove_tags(store: Store, request: Document) -> Document:
    """Remove tags from a cluster that is not over."""
    cluster = store.cluster(request["ResourceId"])
    for key in request["TagKeys"]:
        validation.check_tag_key(key)
    with cluster.lock:
        _require_live(cluster)
        for key in request["TagKeys"]:
            cluster.tags.pop(key, None)
    store.engine(cluster).tag_instances(remove_keys=request["TagKeys"])
    return {}


def put_auto_termination_policy(store: Store, request: Document) -> Document:
    """End the cluster when it has been idle for a time."""
    cluster = store.cluster(request["ClusterId"])
    policy = request.get("AutoTerminationPolicy", {})
    validation.check_idle_timeout(policy)
    with cluster.lock:
        _require_live(cluster)
        cluster.idle_timeout_seconds = policy.get("IdleTimeout", 3600)
        cluster.wake()
    return {}


def get_auto_termination_policy(clusters: Clusters, request: Document) -> Document:
    """Return the policy, or an empty answer when there is none."""
    seconds = clusters.cluster(request["ClusterId"]).idle_timeout_seconds
    return {} if seconds is None else {"AutoTerminationPolicy": {"IdleTimeout": seconds}}


def get_cluster_session_credentials(clusters: Clusters, request: Document) -> Document:
    """Refuse: they are for clusters with fine-grained access control (model), which none here has.

    The words are a guess.
    """
    cluster = clusters.cluster(request["ClusterId"])
    if cluster.status.state not in states.CLUSTER_READY:
        raise invalid_request(f"Cluster '{cluster.id}' is in the {cluster.status.state} state.")
    raise invalid_request(f"Cluster '{cluster.id}' has no security configuration that enables runtime roles.")


def remove_auto_termination_policy(store: Store, request: Document) -> Document:
    """Forget the policy."""
    cluster = store.cluster(request["ClusterId"])
    with cluster.lock:
        cluster.idle_timeout_seconds = None
        cluster.wake()
    return {}


def _change_live(store: Store, job_flow_ids: list[str], change: Callable[[Cluster], None]) -> Document:
    clusters = [store.job_flow(job_flow_id) for job_flow_id in job_flow_ids]
    for cluster in clusters:
        with cluster.lock:
            if cluster.status.state in states.CLUSTER_LIVE:
                change(cluster)
                cluster.wake()
    return {}


def _require_live(cluster: Cluster) -> None:
    if cluster.status.state not in states.CLUSTER_LIVE:
        raise invalid_request(
            f"Cluster id '{cluster.id}' is terminated or terminating and cannot be modified."
        )
