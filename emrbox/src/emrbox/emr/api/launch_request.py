"""The records of a new cluster, made from RunJobFlow's request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emrbox.emr import ids
from emrbox.emr.life import states
from emrbox.emr.life.model import (
    ON_DEMAND,
    SPOT,
    AutoScaling,
    BootstrapAction,
    Cluster,
    Fleet,
    Group,
    Reason,
    Status,
    Step,
    TypeConfig,
)
from emrbox.emr.life.states import (
    ActionOnFailure,
    ClusterState,
    GroupState,
    PolicyState,
    ReasonCode,
    StepState,
)

if TYPE_CHECKING:
    from datetime import datetime

ROLES = ("MASTER", "CORE", "TASK")


def new_cluster(request: dict[str, Any], role_name: str, now: datetime) -> Cluster:
    """Make the record of a checked RunJobFlow request. `role_name` is the instance profile's role."""
    instances = request["Instances"]
    policy = request.get("AutoTerminationPolicy")
    groups = _groups(instances, now)
    has_several_masters = groups[0].requested_count > 1
    return Cluster(
        id=ids.cluster_id(),
        name=request["Name"],
        release_label=request["ReleaseLabel"],
        request=request,
        status=Status(ClusterState.STARTING, now),
        groups=groups,
        bootstrap_actions=[_bootstrap_action(action) for action in request.get("BootstrapActions", [])],
        tags={tag["Key"]: tag.get("Value", "") for tag in request.get("Tags", [])},
        # "High availability" of the Management Guide: with several primary nodes both are on.
        keep_alive=has_several_masters or instances.get("KeepJobFlowAliveWhenNoSteps", False),
        termination_protected=has_several_masters or instances.get("TerminationProtected", False),
        unhealthy_node_replacement=instances.get("UnhealthyNodeReplacement", True),
        visible_to_all_users=request.get("VisibleToAllUsers", True),
        step_concurrency=request.get("StepConcurrencyLevel", 1),
        service_role=request["ServiceRole"],
        instance_profile=request["JobFlowRole"],
        role_name=role_name,
        log_uri=request.get("LogUri"),
        idle_timeout_seconds=None if policy is None else policy.get("IdleTimeout", 3600),
        managed_scaling=request.get("ManagedScalingPolicy"),
        steps=[new_step(step, now) for step in request.get("Steps", [])],
    )


def _groups(instances: dict[str, Any], now: datetime) -> list[Group]:
    """Return groups or fleets, whichever form was used; master first, then core, then task."""
    if "InstanceFleets" in instances:
        found = [new_fleet(config, now) for config in instances["InstanceFleets"]]
    else:
        found = [new_group(config, now) for config in group_configs(instances)]
    return sorted(found, key=lambda group: ROLES.index(group.role))


def group_configs(instances: dict[str, Any]) -> list[dict[str, Any]]:
    """Return instance groups, also those of the simple form."""
    if "InstanceGroups" in instances:
        return list(instances["InstanceGroups"])
    master = instances["MasterInstanceType"]
    groups = [{"InstanceRole": "MASTER", "InstanceType": master, "InstanceCount": 1}]
    if (count := instances.get("InstanceCount", 1)) > 1:
        core = instances["SlaveInstanceType"]
        groups.append({"InstanceRole": "CORE", "InstanceType": core, "InstanceCount": count - 1})
    return groups


def new_step(step: dict[str, Any], now: datetime) -> Step:
    """Make the record of one submitted step."""
    jar = step["HadoopJarStep"]
    return Step(
        id=ids.step_id(),
        name=step["Name"],
        jar=jar["Jar"],
        args=tuple(jar.get("Args", [])),
        main_class=jar.get("MainClass"),
        properties={pair.get("Key", ""): pair.get("Value", "") for pair in jar.get("Properties", [])},
        action_on_failure=ActionOnFailure(step.get("ActionOnFailure", states.DEFAULT_ACTION_ON_FAILURE)),
        status=Status(StepState.PENDING, now),
    )


def new_group(config: dict[str, Any], now: datetime) -> Group:
    """Make the record of one requested instance group."""
    group_id, policy = ids.group_id(), config.get("AutoScalingPolicy")
    return Group(
        id=group_id,
        name=config.get("Name", config["InstanceRole"].title()),
        role=config["InstanceRole"],
        types=[new_type(config)],
        targets={config.get("Market", SPOT if "BidPrice" in config else ON_DEMAND): config["InstanceCount"]},
        status=Status(GroupState.PROVISIONING, now),
        auto_scaling=None if policy is None else new_auto_scaling(group_id, policy, now),
    )


def new_auto_scaling(
    group_id: str, policy: dict[str, Any], now: datetime, *, is_update: bool = False
) -> AutoScaling:
    """Make the record of a group's automatic scaling policy."""
    reason = Reason(ReasonCode.USER_REQUEST)
    return AutoScaling(group_id, policy, Status(PolicyState.PENDING, now, reason), is_update=is_update)


def new_fleet(config: dict[str, Any], now: datetime) -> Group:
    """Make the record of one requested instance fleet."""
    return Group(
        id=ids.fleet_id(),
        name=config.get("Name", config["InstanceFleetType"].title()),
        role=config["InstanceFleetType"],
        types=[fleet_type(one) for one in config["InstanceTypeConfigs"]],
        targets={
            ON_DEMAND: config.get("TargetOnDemandCapacity", 0),
            SPOT: config.get("TargetSpotCapacity", 0),
        },
        status=Status(GroupState.PROVISIONING, now),
        fleet=Fleet(
            config.get("LaunchSpecifications", {}),
            config.get("ResizeSpecifications", {}),
            config.get("Context"),
        ),
    )


def fleet_type(config: dict[str, Any]) -> TypeConfig:
    """Make the record of an instance type of a fleet; its bid is 100 % unless it says another (model)."""
    percent = None if "BidPrice" in config else config.get("BidPriceAsPercentageOfOnDemandPrice", 100.0)
    return replace(
        new_type(config),
        weight=config.get("WeightedCapacity", 1),
        bid_percent=percent,
        priority=config.get("Priority"),
    )


def new_type(config: dict[str, Any]) -> TypeConfig:
    """Make the record of an instance type, of what groups and fleets have in common."""
    return TypeConfig(
        name=config["InstanceType"],
        bid_price=config.get("BidPrice"),
        ebs=config.get("EbsConfiguration", {}),
        configurations=config.get("Configurations", []),
        custom_ami_id=config.get("CustomAmiId"),
    )


def _bootstrap_action(action: dict[str, Any]) -> BootstrapAction:
    script = action["ScriptBootstrapAction"]
    return BootstrapAction(action["Name"], script["Path"], tuple(script.get("Args", [])))
