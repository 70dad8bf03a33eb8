"""Events of instance groups: "Instance group events" of the Management Guide, with reconfigurations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.emr.life.event_times import at, minutes
from emrbox.emr.life.states import GroupState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Group
    from emrbox.emr.life.states import State


def group_members(cluster: Cluster, group: Group) -> dict[str, Any]:
    """Return the members of every event of a group. Its numbers are texts (docs/aws_facts.md 5.2)."""
    members = {
        "market": group.market,
        "severity": "INFO",
        "requestedInstanceCount": str(group.requested_count),
        "instanceType": group.type.name,
        "instanceGroupType": group.role,
        "instanceGroupId": group.id,
        "clusterId": cluster.id,
        "runningInstanceCount": str(group.running_count),
        "state": str(group.status.state),
    }
    bid = group.type.bid_price
    return members if bid is None else {**members, "bidPrice": bid}


def group_detail(
    cluster: Cluster, group: Group, before: State | None, now: datetime
) -> dict[str, Any] | None:
    """Return the detail of the event for a group's new state; None if there is none."""
    if before is GroupState.RECONFIGURING or group.status.state is GroupState.RECONFIGURING:
        found = _reconfiguration(cluster, group, now)
    else:
        found = _resize(cluster, group, before, now)
    if found is None:
        return None
    severity, message = found
    return {**group_members(cluster, group), "severity": severity, "message": message}


def _resize(cluster: Cluster, group: Group, before: State | None, now: datetime) -> tuple[str, str] | None:
    """Return severity and message."""
    where = f"instance group {group.id} in Amazon EMR cluster {cluster.id} ({cluster.name})"
    resize = group.resize
    if group.status.state is GroupState.RESIZING and resize:
        return "INFO", (
            f"A resize for {where} started at {at(now)}. It is resizing from an instance count of "
            f"{sum(resize.before.values())} to {sum(resize.wanted.values())}."
        )
    if group.status.state is GroupState.RUNNING and before is GroupState.RESIZING and resize:
        return "INFO", (
            f"The resizing operation for {where} is complete. It now has an instance count of "
            f"{group.running_count}. The resize started at {at(resize.started)} and took "
            f"{minutes(resize.started, now)} minutes to complete."
        )
    if group.status.state is GroupState.SUSPENDED:  # a guess after ARRESTED's message
        why = group.status.reason.message or "unknown"
        return "ERROR", f"I{where[1:]} was suspended at {at(now)} for the following reason: {why}."
    return None


def _reconfiguration(cluster: Cluster, group: Group, now: datetime) -> tuple[str, str] | None:
    """Return severity and message. After a failure the group has the configurations that worked last."""
    where = f"nstance group {group.id} in the Amazon EMR cluster {cluster.id} ({cluster.name})"
    change, state = group.reconfiguration, group.status.state
    last, begun = change.applied_version, change.started or now
    if state is GroupState.RECONFIGURING:
        return "INFO", (
            f"A reconfiguration for i{where} started at {at(now)}. It is configuring from version number "
            f"{last} to version number {change.version}."
        )
    if state is GroupState.RUNNING and group.status.reason.code is None:
        return "INFO", (
            f"The reconfiguration operation for i{where} is complete. The reconfiguration started at "
            f"{at(begun)} and took {minutes(begun, now)} minutes to complete. "
            f"Current configuration version is {last}."
        )
    if state is GroupState.RUNNING:
        return "INFO", (
            f"Configurations were successfully reverted to the previous successful version {last} for "
            f"i{where} at {at(now)}. New configuration version is {last}."
        )
    if state is GroupState.SUSPENDED:  # EMR's is ARRESTED: that it is SUSPENDED here is a guess
        return (
            "CRITICAL",
            f"Failed to revert to the previous successful version {last} for I{where} at {at(now)}.",
        )
    return None
