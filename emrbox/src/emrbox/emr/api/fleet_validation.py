"""What EMR refuses in instance fleets beyond its model (docs/aws_facts.md 2.4).

The limits are documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.errors import AwsError, invalid_request, validation_error
from emrbox.emr.api import validation
from emrbox.emr.life.model import MAXIMUM_INSTANCES_IN_GROUP, ON_DEMAND, SPOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emrbox.emr.life.model import Cluster, Group

MAXIMUM_TYPES, MAXIMUM_TYPES_WITH_STRATEGY = 5, 30
LAUNCH_MINUTES, RESIZE_MINUTES = range(5, 1441), range(5, 10_081)
# Seen in hashicorp/terraform-provider-aws issue 22792.
TWO_BIDS = (
    "Specify at most one of bidPrice or bidPriceAsPercentageOfOnDemandPrice value for the Spot Instance "
    "fleet : request."
)


def check_fleets(fleets: Sequence[Mapping[str, Any]]) -> None:
    """Check the fleets of a new cluster. Raises ValidationException.

    Here, and for added and modified fleets, the words are a guess, but for those of TWO_BIDS.
    """
    roles = [fleet["InstanceFleetType"] for fleet in fleets]
    for role in ("MASTER", "CORE", "TASK"):
        if roles.count(role) > 1:
            raise validation_error(f"There can be at most one {role} instance fleet.")
    if "MASTER" not in roles:
        raise validation_error("There must be exactly one MASTER instance fleet.")
    if "TASK" in roles and "CORE" not in roles:
        raise validation_error("A TASK instance fleet requires a CORE instance fleet.")
    for fleet in fleets:
        _check_fleet(fleet)


def check_added_fleet(fleet: Mapping[str, Any], roles: Sequence[str]) -> None:
    """Check a fleet that is added to a cluster with fleets of these roles. Raises InvalidRequestException.

    "To add a task instance fleet to a cluster that doesn't already have one" (Management Guide).
    """
    role = fleet["InstanceFleetType"]
    if role != "TASK":
        raise invalid_request("Only a TASK instance fleet can be added to a running cluster.")
    if "TASK" in roles:
        raise invalid_request("The cluster already has a TASK instance fleet.")
    if "CORE" not in roles:
        raise invalid_request("A TASK instance fleet requires a CORE instance fleet.")
    _as_invalid_request(lambda: _check_fleet(fleet))


def check_modified_fleet(group: Group, change: Mapping[str, Any]) -> None:
    """Check a ModifyInstanceFleet. Raises InvalidRequestException."""
    targets = {"TargetOnDemandCapacity", "TargetSpotCapacity"} & set(change)
    if group.role == "MASTER" and targets:
        raise invalid_request("The MASTER instance fleet cannot be resized.")
    on_demand = change.get("TargetOnDemandCapacity", group.targets[ON_DEMAND])
    units = on_demand + change.get("TargetSpotCapacity", group.targets[SPOT])
    if group.role == "CORE" and units == 0:
        raise invalid_request("The CORE instance fleet cannot be resized to 0 units.")
    _as_invalid_request(lambda: _check_resize(change))
    weights = [one.weight for one in group.types]
    if "InstanceTypeConfigs" in change:
        types = change["InstanceTypeConfigs"]
        has_strategy = group.fleet is not None and _has_strategy(group.fleet.launch)
        _as_invalid_request(lambda: _check_types(group.role, types, has_strategy))
        weights = _weights(types)
    _as_invalid_request(lambda: _check_units(group.role, units, weights))


def check_types_for(cluster: Cluster, configs: Sequence[Mapping[str, Any]]) -> None:
    """Check that a cluster's release and nodes run on these types. Raises InvalidRequestException."""
    names = [config["InstanceType"] for config in configs]
    _as_invalid_request(
        lambda: validation.check_types(cluster.release_label, names, is_hollow=cluster.is_hollow)
    )


def _as_invalid_request(check: Any) -> None:
    """Refuse as the operations of that generation do, which have no ValidationException."""
    try:
        check()
    except AwsError as refusal:
        raise invalid_request(refusal.message) from None


def _check_fleet(fleet: Mapping[str, Any]) -> None:
    role = fleet["InstanceFleetType"]
    on_demand, spot = (fleet.get(f"Target{kind}Capacity", 0) for kind in ("OnDemand", "Spot"))
    if role == "MASTER" and sorted((on_demand, spot)) != [0, 1]:
        raise validation_error(
            "The MASTER instance fleet must have one of TargetOnDemandCapacity and TargetSpotCapacity, with "
            "a value of 1."
        )
    # A task fleet may begin empty: managed scaling fills it.
    if role == "CORE" and on_demand + spot == 0:
        raise validation_error(
            "At least one of TargetOnDemandCapacity and TargetSpotCapacity must be greater than 0."
        )
    launch = fleet.get("LaunchSpecifications", {})
    _check_launch(launch)
    _check_resize(fleet)
    types = fleet.get("InstanceTypeConfigs", [])
    _check_types(role, types, _has_strategy(launch))
    _check_units(role, on_demand + spot, _weights(types))


def _weights(types: Sequence[Mapping[str, Any]]) -> list[int]:
    return [config.get("WeightedCapacity", 1) for config in types]


def _check_units(role: str, units: int, weights: Sequence[int]) -> None:
    """Refuse a target that may need more instances than a group may have (quotas)."""
    if units / min(weights) > MAXIMUM_INSTANCES_IN_GROUP:
        raise validation_error(f"Invalid target capacity {units} for the {role} instance fleet.")


def _has_strategy(launch: Mapping[str, Any]) -> bool:
    return any("AllocationStrategy" in specification for specification in launch.values())


def _check_types(role: str, types: Sequence[Mapping[str, Any]], has_strategy: bool) -> None:  # noqa: FBT001
    most = MAXIMUM_TYPES_WITH_STRATEGY if has_strategy else MAXIMUM_TYPES
    names = [config["InstanceType"] for config in types]
    if not 1 <= len(types) <= most:
        raise validation_error(
            f"The {role} instance fleet must have 1 to {most} instance types; "
            f"{MAXIMUM_TYPES_WITH_STRATEGY} with an allocation strategy."
        )
    if len(set(names)) != len(names):
        raise validation_error(f"The {role} instance fleet has an instance type more than once.")
    for config in types:
        _check_type(role, config)


def _check_type(role: str, config: Mapping[str, Any]) -> None:
    weight = config.get("WeightedCapacity", 1)
    if weight < 1 or (role == "MASTER" and weight != 1):
        raise validation_error(f"Invalid weighted capacity {weight} for the {role} instance fleet.")
    if "BidPrice" in config and "BidPriceAsPercentageOfOnDemandPrice" in config:
        raise validation_error(TWO_BIDS)
    validation.check_type(role, config)


def _check_launch(launch: Mapping[str, Any]) -> None:
    spot = launch.get("SpotSpecification")
    if spot is not None and spot["TimeoutDurationMinutes"] not in LAUNCH_MINUTES:
        raise validation_error("TimeoutDurationMinutes must be between 5 and 1440 minutes.")


def _check_resize(fleet: Mapping[str, Any]) -> None:
    specifications = fleet.get("ResizeSpecifications", {})
    for specification in specifications.values():
        minutes = specification.get("TimeoutDurationMinutes")
        if minutes is not None and minutes not in RESIZE_MINUTES:
            raise validation_error("The resize TimeoutDurationMinutes must be between 5 and 10080 minutes.")
