"""What EMR refuses in scaling policies beyond its model (docs/aws_facts.md 2.5).

The words of most refusals are a guess; those with "Invalid configuration for managed scaling" were seen, in
gchq/sleeper issue 6594 and boto/boto3 issue 3963.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import validation_error
from emrbox.emr.life.auto_scaling import CLUSTER_ID_IN_POLICY, SAMPLE_SECONDS, alarm_of
from emrbox.emr.life.load import METRICS
from emrbox.emr.life.model import MAXIMUM_INSTANCES_IN_GROUP, ON_DEMAND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FLEET_UNITS = "InstanceFleetUnits"
INVALID = "Invalid configuration for managed scaling."
INDEXES = frozenset({1, 25, 50, 75, 100})
MOST_ALARM_SECONDS = 86_400  # CloudWatch User Guide: an alarm looks at one day at most
NAMESPACE = "AWS/ElasticMapReduce"
NOT_BOTH = "A cluster can have a managed scaling policy or automatic scaling policies, not both."
NO_ROLE = "An automatic scaling policy requires an AutoScalingRole for the cluster."


def check_launch(request: Mapping[str, Any]) -> None:
    """Check the scaling policies of a RunJobFlow whose instances are valid. Raises ValidationException."""
    instances = request["Instances"]
    groups = instances.get("InstanceGroups", [])
    check_added_groups(groups, has_role=bool(request.get("AutoScalingRole")), is_managed=False)
    policy = request.get("ManagedScalingPolicy")
    if policy is None:
        return
    if any("AutoScalingPolicy" in group for group in groups):
        raise validation_error(NOT_BOTH)
    core_market = next((_market(group) for group in groups if group["InstanceRole"] == "CORE"), None)
    check_managed(policy, uses_fleets="InstanceFleets" in instances, core_market=core_market)


def check_added_groups(groups: Sequence[Mapping[str, Any]], *, has_role: bool, is_managed: bool) -> None:
    """Check the automatic scaling policies of new groups of a cluster. Raises ValidationException."""
    for group in groups:
        if "AutoScalingPolicy" in group:
            check_automatic(
                group["AutoScalingPolicy"], group["InstanceRole"], has_role=has_role, is_managed=is_managed
            )


def _market(group: Mapping[str, Any]) -> str:
    return str(group.get("Market", "SPOT" if "BidPrice" in group else ON_DEMAND))


def check_managed(policy: Mapping[str, Any], *, uses_fleets: bool, core_market: str | None) -> None:
    """Check a ManagedScalingPolicy. Raises ValidationException.

    `core_market` is that of the core group; None in clusters of fleets and of one node.
    """
    if "ComputeLimits" not in policy:
        raise validation_error(f"{INVALID} ComputeLimits is required.")
    limits = policy["ComputeLimits"]
    unit = limits["UnitType"]
    if (unit == FLEET_UNITS) != uses_fleets:
        kind = "instance fleets" if uses_fleets else "instance groups"
        raise validation_error(f"{INVALID} The unit type {unit} is not valid for clusters with {kind}.")
    _check_limits(limits, core_market)
    _check_strategy(policy)


def _check_limits(limits: Mapping[str, Any], core_market: str | None) -> None:
    least, most = limits["MinimumCapacityUnits"], limits["MaximumCapacityUnits"]
    on_demand = limits.get("MaximumOnDemandCapacityUnits", most)
    core = limits.get("MaximumCoreCapacityUnits", most)
    if least < 1:
        raise validation_error(f"{INVALID} The min capacity must be at least 1.")
    if least > most:
        raise validation_error(f"{INVALID} The min capacity cannot be higher than max capacity.")
    if on_demand > most:
        raise validation_error(f"{INVALID} The max On-Demand capacity cannot be higher than max capacity.")
    if core > most:
        raise validation_error(f"{INVALID} The max Core capacity cannot be higher than max capacity.")
    if on_demand < 0 or core < 1:
        raise validation_error(f"{INVALID} The max On-Demand and Core capacity cannot be negative or zero.")
    if core_market == ON_DEMAND and core > on_demand and "MaximumCoreCapacityUnits" in limits:
        raise validation_error(
            f"{INVALID} If you select On-Demand market type for core nodes in a cluster with instance "
            "groups, MaximumCoreCapacityUnits must be less than or equal to MaximumOnDemandCapacityUnits."
        )


def _check_strategy(policy: Mapping[str, Any]) -> None:
    index = policy.get("UtilizationPerformanceIndex")
    if index is not None and index not in INDEXES:
        raise validation_error(f"{INVALID} UtilizationPerformanceIndex must be one of 1, 25, 50, 75, 100.")
    if policy.get("ScalingStrategy", "DEFAULT") != "DEFAULT":
        raise validation_error("ScalingStrategy ADVANCED is not available in this region.")
    if index is not None:
        raise validation_error(f"{INVALID} UtilizationPerformanceIndex requires ScalingStrategy ADVANCED.")


def check_automatic(policy: Mapping[str, Any], role: str, *, has_role: bool, is_managed: bool) -> None:
    """Check the AutoScalingPolicy of a group with this role. Raises ValidationException."""
    if role == "MASTER":
        raise validation_error("An automatic scaling policy cannot be attached to the MASTER instance group.")
    if is_managed:
        raise validation_error(NOT_BOTH)
    if not has_role:
        raise validation_error(NO_ROLE)
    least, most = policy["Constraints"]["MinCapacity"], policy["Constraints"]["MaxCapacity"]
    if not 0 <= least <= most <= MAXIMUM_INSTANCES_IN_GROUP:
        raise validation_error(
            "The constraints of the automatic scaling policy are not valid: 0 <= MinCapacity <= MaxCapacity "
            f"<= {MAXIMUM_INSTANCES_IN_GROUP}."
        )
    names = [rule["Name"] for rule in policy["Rules"]]
    if not names or len(set(names)) != len(names):
        raise validation_error("An automatic scaling policy must have rules, with unique names.")
    for rule in policy["Rules"]:
        _check_action(rule["Name"], rule["Action"])
        _check_alarm(rule["Name"], alarm_of(rule))


def _check_action(name: str, action: Mapping[str, Any]) -> None:
    adjustment = action["SimpleScalingPolicyConfiguration"]
    if "Market" in action:  # model: "Not available for instance groups"
        raise validation_error(f"Scaling rule {name}: Market is not available for instance groups.")
    if adjustment.get("AdjustmentType") == "EXACT_CAPACITY" and adjustment["ScalingAdjustment"] < 0:
        raise validation_error(f"Scaling rule {name}: EXACT_CAPACITY requires a positive ScalingAdjustment.")
    if adjustment.get("CoolDown", 0) < 0:
        raise validation_error(f"Scaling rule {name}: CoolDown cannot be negative.")


def _check_alarm(name: str, alarm: Mapping[str, Any]) -> None:
    """Check a CloudWatchAlarmDefinition; what the box's metrics cannot do is refused by name."""
    metric, period, periods = alarm["MetricName"], alarm["Period"], alarm.get("EvaluationPeriods", 1)
    if alarm.get("Namespace", NAMESPACE) != NAMESPACE or metric not in METRICS:
        raise validation_error(f"Scaling rule {name}: the metric {metric} is not available in this region.")
    if alarm.get("Unit", METRICS[metric].unit) != METRICS[metric].unit:
        raise validation_error(f"Scaling rule {name}: the unit of {metric} is {METRICS[metric].unit}.")
    if period < SAMPLE_SECONDS or period % SAMPLE_SECONDS or periods < 1:
        raise validation_error(
            f"Scaling rule {name}: Period must be a multiple of {SAMPLE_SECONDS} seconds, "
            "EvaluationPeriods 1 or more."
        )
    if period * periods > MOST_ALARM_SECONDS:
        raise validation_error(f"Scaling rule {name}: Period times EvaluationPeriods is more than a day.")
    for dimension in alarm.get("Dimensions", []):
        if (dimension.get("Key"), dimension.get("Value")) != ("JobFlowId", CLUSTER_ID_IN_POLICY):
            raise validation_error(
                f"Scaling rule {name}: dimensions other than JobFlowId = {CLUSTER_ID_IN_POLICY} are not "
                "available in this region."
            )
