"""Events of instance fleets: "Instance fleet state-change events" of the Management Guide.

The names of the members are those of public event schemas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.emr.life.event_times import at, minutes
from emrbox.emr.life.model import ON_DEMAND, SPOT
from emrbox.emr.life.states import GroupState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Group
    from emrbox.emr.life.states import State


def fleet_members(cluster: Cluster, fleet: Group) -> dict[str, Any]:
    """Return the members of every event of a fleet.

    That its numbers are texts, as in events of groups, is a guess.
    """
    return {
        "severity": "INFO",
        "clusterId": cluster.id,
        "instanceFleetId": fleet.id,
        "instanceFleetType": fleet.role,
        "targetOnDemandCapacity": str(fleet.targets[ON_DEMAND]),
        "targetSpotCapacity": str(fleet.targets[SPOT]),
        "provisionedOnDemandCapacity": str(fleet.provisioned(ON_DEMAND)),
        "provisionedSpotCapacity": str(fleet.provisioned(SPOT)),
        "state": str(fleet.status.state),
    }


def fleet_detail(
    cluster: Cluster, fleet: Group, before: State | None, now: datetime
) -> dict[str, Any] | None:
    """Return the detail of the event for a fleet's new state; None if there is none."""
    found = _fleet_message(cluster, fleet, before, now)
    if found is None:
        return None
    severity, message = found
    return {**fleet_members(cluster, fleet), "severity": severity, "message": message}


def _fleet_message(
    cluster: Cluster, fleet: Group, before: State | None, now: datetime
) -> tuple[str, str] | None:
    """Return severity and message: "Instance fleet state-change events" of the Management Guide."""
    where = f"instance fleet {fleet.id} in Amazon EMR cluster {cluster.id} ({cluster.name})"
    resize, is_new = fleet.resize, before in {GroupState.PROVISIONING, GroupState.BOOTSTRAPPING}
    capacity = (
        f"The instance fleet now has On-Demand capacity of {fleet.provisioned(ON_DEMAND)} and Spot capacity "
        f"of {fleet.provisioned(SPOT)}. Target On-Demand capacity was {fleet.targets[ON_DEMAND]}"
    )
    spot = f"target Spot capacity was {fleet.targets[SPOT]}."
    if fleet.status.state is GroupState.RUNNING and is_new:
        begun = fleet.status.created
        return "INFO", (
            f"Provisioning for {where} is complete. Provisioning started at {at(begun)} and took "
            f"{minutes(begun, now)} minutes. {capacity}, and {spot}"
        )
    if fleet.status.state is GroupState.RESIZING and resize:
        return "INFO", (
            f"A resize for {where} started at {at(now)}. The instance fleet is resizing from an On-Demand "
            f"capacity of {resize.before[ON_DEMAND]} to a target of {resize.wanted[ON_DEMAND]}, and from a "
            f"Spot capacity of {resize.before[SPOT]} to a target of {resize.wanted[SPOT]}."
        )
    if fleet.status.state is GroupState.RUNNING and before is GroupState.RESIZING and resize:
        times = (at(resize.started), minutes(resize.started, now))
        if fleet.is_short:
            how = (
                "has reached the timeout and stopped. The resize started at {} and stopped after {} minutes."
            )
        else:
            how = "is complete. The resize started at {} and took {} minutes."
        message = f"The resizing operation for {where} {how.format(*times)} {capacity} and {spot}"
        return "WARN" if fleet.is_short else "INFO", message
    if fleet.status.state is GroupState.SUSPENDED:  # as of groups
        why = fleet.status.reason.message or "unknown"
        return "ERROR", f"I{where[1:]} was suspended at {at(now)} for the following reason: {why}."
    return None
