"""The records of a new cluster, made from RunJobFlow's request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.emr import ids
from emrbox.emr.life import states
from emrbox.emr.life.model import (
    ON_DEMAND,
    SPOT,
    BootstrapAction,
    Cluster,
    Group,
    Status,
    Step,
    TypeConfig,
)
from emrbox.emr.life.states import ActionOnFailure, ClusterState, GroupState, StepState

if TYPE_CHECKING:
    from datetime import datetime


def new_cluster(request: dict[str, Any], role_name: str, now: datetime) -> Cluster:
    """Make the record of a checked RunJobFlow request. `role_name` is the instance profile's role."""
    instances = request["Instances"]
    policy = request.get("AutoTerminationPolicy")
    return Cluster(
        id=ids.cluster_id(),
        name=request["Name"],
        release_label=request["ReleaseLabel"],
        request=request,
        status=Status(ClusterState.STARTING, now),
        groups=[new_group(config, now) for config in group_configs(instances)],
        bootstrap_actions=[_bootstrap_action(action) for action in request.get("BootstrapActions", [])],
        tags={tag["Key"]: tag.get("Value", "") for tag in request.get("Tags", [])},
        keep_alive=instances.get("KeepJobFlowAliveWhenNoSteps", False),
        termination_protected=instances.get("TerminationProtected", False),
        visible_to_all_users=request.get("VisibleToAllUsers", True),
        step_concurrency=request.get("StepConcurrencyLevel", 1),
        service_role=request["ServiceRole"],
        instance_profile=request["JobFlowRole"],
        role_name=role_name,
        log_uri=request.get("LogUri"),
        idle_timeout_seconds=None if policy is None else policy.get("IdleTimeout", 3600),
        core_count_at_start=sum(
            config["InstanceCount"] for config in group_configs(instances) if config["InstanceRole"] == "CORE"
        ),
        steps=[new_step(step, now) for step in request.get("Steps", [])],
    )


def group_configs(instances: dict[str, Any]) -> list[dict[str, Any]]:
    """Return instance groups, whichever of the two forms was used; master first, then core, then task."""
    if "InstanceGroups" in instances:
        order = ("MASTER", "CORE", "TASK")
        return sorted(instances["InstanceGroups"], key=lambda group: order.index(group["InstanceRole"]))
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
    return Group(
        id=ids.group_id(),
        name=config.get("Name", config["InstanceRole"].title()),
        role=config["InstanceRole"],
        types=[new_type(config)],
        targets={config.get("Market", SPOT if "BidPrice" in config else ON_DEMAND): config["InstanceCount"]},
        status=Status(GroupState.PROVISIONING, now),
    )


def new_type(config: dict[str, Any]) -> TypeConfig:
    """Make the record of an instance type that an instance group asks for."""
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
