"""The nodes of clusters as EC2 shows them: one call for all clusters, and none of EMR's quota."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.watch import Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kiln.aws.effects import Ec2Instance, Instance

# EMR itself sets these tags on the instances of a cluster (EMR Management Guide, "Tag clusters").
JOB_FLOW_TAG = "aws:elasticmapreduce:job-flow-id"
GROUP_TAG = "aws:elasticmapreduce:instance-group-role"
# Ended ones, too: EC2 shows them for about an hour, with the reason.
EVERY_STATE = {
    "instance-state-name": ["pending", "running", "shutting-down", "terminated", "stopping", "stopped"]
}
RUNNING = "running"
ENDED = frozenset({"shutting-down", "terminated", "stopping", "stopped"})
# Why EC2 took an instance back (EC2 User Guide, "Troubleshoot instance termination issues").
SPOT_LOSS = "Server.SpotInstanceTermination"


def by_cluster(instances: Iterable[Ec2Instance]) -> dict[str, dict[str, Node]]:
    """Return instances by cluster and id."""
    found: dict[str, dict[str, Node]] = {}
    for one in instances:
        node = Node(
            group=one.tags.get(GROUP_TAG, ""),
            state=one.state,
            reason_code=one.reason_code,
            launched_at=one.launched_at.timestamp(),
        )
        found.setdefault(one.tags.get(JOB_FLOW_TAG, ""), {})[one.id] = node
    return found


def of_emr(instances: Iterable[Instance]) -> dict[str, Node]:
    """Return what EMR's ListInstances shows in the same form; it says neither why nor since when."""
    return {
        one.ec2_instance_id: Node(group=one.group, state=RUNNING if one.state == "RUNNING" else "pending")
        for one in instances
        if one.ec2_instance_id
    }
