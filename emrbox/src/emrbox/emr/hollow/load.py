"""What YARN would have to do on a hollow cluster: the containers that its steps' scripts want.

A container takes a vCPU, and its share of the memory. Nodes are filled one after the other, the oldest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.emr import instance_types
from emrbox.emr.life.load import Load
from emrbox.emr.life.states import STEP_STARTED, InstanceState

if TYPE_CHECKING:
    from emrbox.emr.hollow.scripts import Scripts
    from emrbox.emr.life.model import Cluster, Instance

CONTAINER_MB = 1024


def load_of(cluster: Cluster, scripts: Scripts) -> Load:
    """Return the load of a hollow cluster as it is now."""
    running = [step for step in cluster.steps if step.status.state in STEP_STARTED]
    wanted = [count for step in running if (count := scripts.of(cluster, step).containers)]
    workers = [
        instance
        for group in cluster.groups
        if group.role != "MASTER"
        for instance in group.present
        if instance.status.state is InstanceState.RUNNING
    ]
    room = sum(_vcpu(instance) for instance in workers)
    allocated = min(sum(wanted), room)
    return Load(
        apps_running=len(wanted),
        containers_allocated=allocated,
        containers_pending=sum(wanted) - allocated,
        total_mb=room * CONTAINER_MB,
        allocated_mb=allocated * CONTAINER_MB,
        pending_mb=(sum(wanted) - allocated) * CONTAINER_MB,
        nodes=frozenset(instance.ec2_id for instance in workers),
        idle=_idle(workers, allocated),
    )


def _idle(workers: list[Instance], containers: int) -> frozenset[str]:
    found = set()
    for instance in workers:
        if containers <= 0:
            found.add(instance.ec2_id)
        containers -= _vcpu(instance)
    return frozenset(found)


def _vcpu(instance: Instance) -> int:
    return instance_types.by_name()[instance.type.name].vcpu
