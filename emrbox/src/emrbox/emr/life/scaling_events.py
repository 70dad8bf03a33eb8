"""Events of automatic scaling policies: "Automatic scaling policy events" of the Management Guide.

The members are those of the guide's example; ATTACHING and DETACHING have no event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.emr.life.event_times import at
from emrbox.emr.life.states import PolicyState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import AutoScaling, Cluster

ADDED = (
    "An Auto Scaling policy was added to {group} in {cluster} at {time}. The policy is pending attachment."
)
POLICY = "The Auto Scaling policy for {group} in {cluster}"
UPDATED = f"{POLICY} was updated at {{time}}. The policy is pending attachment."
MESSAGES = {
    PolicyState.ATTACHED: f"{POLICY} was attached at {{time}}.",
    PolicyState.DETACHED: f"{POLICY} was detached at {{time}}.",
    PolicyState.FAILED: f"{POLICY} could not attach and failed at {{time}}.",
}


def policy_detail(cluster: Cluster, scaling: AutoScaling, now: datetime) -> dict[str, Any] | None:
    """Return the detail of the event for a policy's new state; None if there is none."""
    state = scaling.status.state
    message = (
        (UPDATED if scaling.is_update else ADDED) if state is PolicyState.PENDING else MESSAGES.get(state)
    )
    if message is None:
        return None
    return {
        "resourceId": scaling.id,
        "clusterId": cluster.id,
        "state": str(state),
        "message": message.format(
            group=f"instance group {scaling.id}",
            cluster=f"Amazon EMR cluster {cluster.id} ({cluster.name})",
            time=at(now),
        ),
        "scalingResourceType": "INSTANCE_GROUP",
    }
