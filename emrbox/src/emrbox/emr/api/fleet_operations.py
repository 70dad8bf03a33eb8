"""EMR's operations on instance fleets (docs/aws_facts.md 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import invalid_request
from emrbox.emr import ids
from emrbox.emr.api import collection_type, fleet_validation, views
from emrbox.emr.api.launch_request import fleet_type, new_fleet
from emrbox.emr.api.paging import page
from emrbox.emr.life import states
from emrbox.emr.life.model import ON_DEMAND, SPOT
from emrbox.emr.life.resizing import want

if TYPE_CHECKING:
    from emrbox.emr.life.model import Cluster, Group, Units
    from emrbox.emr.life.store import Clusters, Store

Document = dict[str, Any]
# Both are matched by Terraform's provider in answers of EMR (internal/service/emr/instance_fleet.go).
ONLY_WHEN_READY = "An instance fleet may only be modified when the cluster is running or waiting."
NOT_WHEN_OVER = "A job flow that is shutting down, terminated, or finished may not be modified."


def list_instance_fleets(clusters: Clusters, request: Document) -> Document:
    """Return the fleets of a cluster, 50 a page."""
    cluster = clusters.cluster(request["ClusterId"])
    collection_type.require_fleets(cluster, "ListInstanceFleets", "ListInstanceGroups")
    with cluster.lock:
        shown, marker = page(cluster.groups, request.get("Marker"), lambda group: group.id)
        return views.present({"InstanceFleets": [views.fleet_document(g) for g in shown], "Marker": marker})


def add_instance_fleet(store: Store, request: Document) -> Document:
    """Add a task fleet to a cluster that is ready and has none."""
    cluster = store.cluster(request["ClusterId"])
    config = request["InstanceFleet"]
    collection_type.require_fleets(cluster, "AddInstanceFleet", "AddInstanceGroups")
    with cluster.lock:
        _require_ready(cluster)
        fleet_validation.check_added_fleet(config, [group.role for group in cluster.groups])
        fleet_validation.check_types_for(cluster, config["InstanceTypeConfigs"])
        fleet = new_fleet(config, store.now(cluster))
        cluster.groups.append(fleet)
        cluster.wake()
    return {
        "ClusterId": cluster.id,
        "InstanceFleetId": fleet.id,
        "ClusterArn": ids.cluster_arn(cluster.id, cluster.account_id),
    }


def modify_instance_fleet(store: Store, request: Document) -> Document:
    """Change a fleet's targets, resize specifications, instance types. What is not named stays as it is."""
    cluster = store.cluster(request["ClusterId"])
    change = request["InstanceFleet"]
    collection_type.require_fleets(cluster, "ModifyInstanceFleet", "ModifyInstanceGroups")
    with cluster.lock:
        _require_ready(cluster)
        fleet = _fleet(cluster, change["InstanceFleetId"])
        fleet_validation.check_modified_fleet(fleet, change)
        fleet_validation.check_types_for(cluster, change.get("InstanceTypeConfigs", []))
        _apply(fleet, change)
        want(cluster, fleet, _targets_after(fleet, change), store.now(cluster))
        cluster.wake()
    return {}


def _require_ready(cluster: Cluster) -> None:
    if cluster.status.state not in states.CLUSTER_LIVE:
        raise invalid_request(NOT_WHEN_OVER)
    if cluster.status.state not in states.CLUSTER_READY:
        raise invalid_request(ONLY_WHEN_READY)


def _fleet(cluster: Cluster, fleet_id: str) -> Group:
    for group in cluster.groups:
        if group.id == fleet_id:
            return group
    raise invalid_request(f"Instance fleet id '{fleet_id[:60]}' is not valid.")


def _targets_after(group: Group, change: Document) -> Units:
    return {
        ON_DEMAND: change.get("TargetOnDemandCapacity", group.targets[ON_DEMAND]),
        SPOT: change.get("TargetSpotCapacity", group.targets[SPOT]),
    }


def _apply(group: Group, change: Document) -> None:
    if group.fleet is None:
        return
    group.fleet.resize = {**group.fleet.resize, **change.get("ResizeSpecifications", {})}
    group.fleet.context = change.get("Context", group.fleet.context)
    if "InstanceTypeConfigs" in change:
        group.types = [fleet_type(config) for config in change["InstanceTypeConfigs"]]
