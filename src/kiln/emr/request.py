"""The RunJobFlow request of a run: pure, so that check mode and tests see exactly what would be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln.aws import convert
from kiln.aws.effects import StepRequest
from kiln.emr import spark_configuration
from kiln.emr.tags import tags
from kiln.identity import name_of
from kiln.settings.fields import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from kiln.identity import Identity
    from kiln.settings.managed_scaling import ManagedScaling
    from kiln.settings.model import ClusterShape, StepSettings


def _group(role: str, instance_type: str, count: int, market: str, bid: str) -> dict[str, Any]:
    group = {
        "Name": role.lower(),
        "InstanceRole": role,
        "InstanceType": instance_type,
        "InstanceCount": count,
        "Market": market,
    }
    # EMR refuses a price for on-demand instances.
    return group | ({"BidPrice": bid} if bid and market == "SPOT" else {})


def _configuration(raw: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"Classification": raw["Classification"]}
    result["Properties"] = {key: text_of(value) for key, value in raw.get("Properties", {}).items()}
    if raw.get("Configurations"):
        result["Configurations"] = [_configuration(inner) for inner in raw["Configurations"]]
    return result


def _instances(shape: ClusterShape) -> dict[str, Any]:
    groups = [_group("MASTER", shape.master_instance_type, 1, shape.master_market, shape.master_bid_price)]
    if shape.core_count:
        bid = shape.core_bid_price
        groups.append(_group("CORE", shape.core_instance_type, shape.core_count, shape.core_market, bid))
    if shape.task_count:
        task_type = shape.task_instance_type or shape.core_instance_type
        bid = shape.task_bid_price
        groups.append(_group("TASK", task_type, shape.task_count, shape.task_market, bid))
    instances: dict[str, Any] = {
        "InstanceGroups": groups,
        "Ec2KeyName": shape.key_pair,
        # Steps that come one by one, after provisioning, need a cluster that outlives an empty queue.
        "KeepJobFlowAliveWhenNoSteps": shape.keep_alive,
        "TerminationProtected": shape.termination_protected,
    }
    return instances | ({"Ec2SubnetId": shape.subnet_id} if shape.subnet_id else {})


def _limits(scaling: ManagedScaling) -> dict[str, Any]:
    limits = {
        "UnitType": "Instances",
        "MinimumCapacityUnits": scaling.minimum_instances,
        "MaximumCapacityUnits": scaling.maximum_instances,
        "MaximumOnDemandCapacityUnits": scaling.maximum_on_demand_instances,
        "MaximumCoreCapacityUnits": scaling.maximum_core_instances,
    }
    return {name: value for name, value in limits.items() if value is not None}


def _at_launch(step: StepSettings) -> StepRequest:
    """Return a step that no driver follows: its failure must keep the next ones from running.

    After CANCEL_AND_WAIT such a cluster ends, too (docs/aws_facts.md 1.4).
    """
    action = "CONTINUE" if step.optional else "TERMINATE_CLUSTER"
    return StepRequest(name=step.name, jar=step.jar, args=step.args, action_on_failure=action)


def launch_request(
    identity: Identity, shape: ClusterShape, now: datetime, steps: Sequence[StepSettings] = ()
) -> dict[str, Any]:
    """Return the whole request; `steps` are part of it for a cluster that ends by itself."""
    request: dict[str, Any] = {
        "Name": name_of(identity),
        "ReleaseLabel": shape.release_label,
        "LogUri": shape.log_uri,
        "Applications": [{"Name": name} for name in shape.applications],
        "Instances": _instances(shape),
        "ServiceRole": shape.service_role,
        "JobFlowRole": shape.instance_profile,
        "StepConcurrencyLevel": shape.step_concurrency_level,
        # The backstop when the driver dies.
        "AutoTerminationPolicy": {"IdleTimeout": shape.idle_timeout_seconds},
        "Tags": [
            {"Key": key, "Value": str(value)} for key, value in sorted(tags(identity, shape, now).items())
        ],
    }
    if shape.managed_scaling.is_on:
        request["ManagedScalingPolicy"] = {"ComputeLimits": _limits(shape.managed_scaling)}
    if steps:
        request["Steps"] = [convert.step_request(_at_launch(step)) for step in steps]
    configurations = spark_configuration.of(shape)
    if configurations:
        request["Configurations"] = [_configuration(raw) for raw in configurations]
    if shape.bootstrap_actions:
        request["BootstrapActions"] = [
            {"Name": action.name, "ScriptBootstrapAction": {"Path": action.path, "Args": list(action.args)}}
            for action in shape.bootstrap_actions
        ]
    if shape.ebs_root_volume_size_gb:
        request["EbsRootVolumeSize"] = shape.ebs_root_volume_size_gb
    if shape.custom_ami_id:
        request["CustomAmiId"] = shape.custom_ami_id
    return request
