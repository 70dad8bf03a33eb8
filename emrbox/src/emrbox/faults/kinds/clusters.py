"""The kinds of faults that take instances from a running cluster, as EC2 does by itself."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from emrbox.config import REGION
from emrbox.emr.life import endings
from emrbox.faults.kinds.kind import (
    HOLLOW,
    ClusterKind,
    Parameter,
    Where,
    ending_parameters,
    in_states,
    on_nodes,
)

if TYPE_CHECKING:
    from emrbox.emr.life.model import Cluster, Ending, Instance
    from emrbox.faults.kinds.kind import Target

INTERRUPTED = "Server.SpotInstanceTermination"
LOST = "Server.InternalError"


def lose(target: Target) -> None:
    """End the instances at once."""
    target.machines.lose(target.cluster, target.instances, LOST)


def sicken(target: Target) -> None:
    """Let YARN call the instances unhealthy, for the fault's time."""
    cluster, machines = target.cluster, target.machines
    machines.make_unhealthy(cluster, target.instances)
    if minutes := target.fault.parameters["minutes"]:
        target.later(minutes * 60, lambda: machines.make_unhealthy(cluster, ()))


def interrupt(target: Target) -> None:
    """Announce the interruption of spot instances, and end them when the notice is over."""
    cluster, instances = target.cluster, target.instances
    notice = target.fault.parameters["notice_seconds"]
    now = _now(cluster)
    target.machines.announce(cluster, instances, now + timedelta(seconds=notice))
    for instance in instances:
        target.publish(interruption_warning(cluster, instance, now))
    target.later(notice, lambda: target.machines.lose(cluster, instances, INTERRUPTED))


def fail(target: Target) -> None:
    """Let EMR end the cluster."""
    cluster = target.cluster
    with cluster.lock:
        cluster.end(target.fault.state, _now(cluster))
    cluster.wake()


def _ending(reason: str, message: str, detail: str, with_errors: int, **_: Any) -> Ending:
    return endings.by_fault(reason, message, detail, with_errors=bool(with_errors))


def _now(cluster: Cluster) -> datetime:
    return cluster.clock.now() if cluster.clock else datetime.now(UTC)


def interruption_warning(cluster: Cluster, instance: Instance, now: datetime) -> dict[str, Any]:
    """Return EC2's event, https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html."""
    zone = cluster.availability_zone or f"{REGION}a"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "EC2 Spot Instance Interruption Warning",
        "source": "aws.ec2",
        "account": cluster.account_id,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:ec2:{zone}:instance/{instance.ec2_id}"],
        "detail": {"instance-id": instance.ec2_id, "instance-action": "terminate"},
    }


CLUSTER_KINDS = (
    ClusterKind(
        "spot-interruption",
        Where.CLUSTER,
        "announces a spot interruption (IMDS and EventBridge), then ends the instance",
        {
            **on_nodes("MASTER,CORE,TASK", 1),
            "notice_seconds": Parameter(120.0, "from the notice to the end, by the cluster's clock"),
            "market": Parameter("SPOT", "only instances of this market; * for all"),
        },
        source="EC2 User Guide, Spot Instance interruption notices",
        count=1,
        act=interrupt,
    ),
    ClusterKind(
        "core-lost",
        Where.CLUSTER,
        "ends all core nodes; the cluster stays, with zero core",
        {
            **on_nodes("CORE", 0),
            "state": Parameter("WAITING", "the cluster states in which it acts"),
            "replaced": Parameter(0, "1: EMR gets others; 0: EC2 has none while the fault is on"),
        },
        source="docs/aws_facts.md 1.2: clusters seen WAITING without core nodes",
        count=1,
        act=lose,
    ),
    ClusterKind(
        "master-lost",
        Where.CLUSTER,
        "ends the master node",
        on_nodes("MASTER", 0),
        source="docs/aws_facts.md 1.1: INSTANCE_FAILURE, `The master node was terminated. `",
        count=1,
        act=lose,
    ),
    ClusterKind(
        "node-unhealthy",
        Where.CLUSTER,
        "lets YARN call core nodes unhealthy; on real nodes the fault disk-full does that",
        {**on_nodes("CORE", 1), "minutes": Parameter(0.0, "how long; 0: without end")},
        clusters=HOLLOW,
        source="docs/aws_facts.md 1.2: unhealthy nodes are replaced after 45 minutes",
        count=1,
        act=sicken,
    ),
    ClusterKind(
        "cluster-fails",
        Where.CLUSTER,
        "EMR ends a cluster that runs",
        {
            **in_states(),
            **ending_parameters("An internal error occurred."),
            "with_errors": Parameter(1, "1: it ends TERMINATED_WITH_ERRORS; 0: TERMINATED"),
        },
        source="docs/aws_facts.md 1.1 for the codes and messages",
        count=1,
        new_state=_ending,
        act=fail,
    ),
)
