"""The box's nodes and EC2, for faults: EC2 ends instances by itself, nodes are changed from inside."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, TypeVar

from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason

from emrbox.config import REGION
from emrbox.errors import BoxError
from emrbox.faults.kinds.clusters import INTERRUPTED, LOST
from emrbox.faults.kinds.nodes import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Instance
    from emrbox.emr.machines.node_access import MachineNode, Machines
    from emrbox.faults.book import Fault

T = TypeVar("T")
LOG = logging.getLogger(__name__)
STOP_SSHD, START_SSHD = "pkill -o -x sshd", "/usr/sbin/sshd -E /var/log/secure"
MESSAGES = {
    INTERRUPTED: f"{INTERRUPTED}: Spot instance termination",
    LOST: f"{LOST}: Internal error on launch",
}


class RealMachines:
    """The instances of clusters with nodes."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def lose(self, cluster: Cluster, instances: Iterable[Instance], code: str) -> None:
        """End instances as EC2 does by itself, protected or not."""
        backend = ec2_backends[cluster.account_id][REGION]
        for ec2_id in [instance.ec2_id for instance in instances]:
            instance = backend.get_instance(ec2_id)
            instance.disable_api_termination = False
            backend.terminate_instances([ec2_id])
            instance.state_reason = StateReason(MESSAGES[code], code)

    def make_unhealthy(self, cluster: Cluster, instances: Iterable[Instance]) -> None:
        """Do nothing: on nodes it is the fault `disk-full` that makes YARN call them so."""

    def announce(self, cluster: Cluster, instances: Iterable[Instance], when: datetime) -> None:
        """Let IMDS show spot/instance-action."""
        backend = ec2_backends[cluster.account_id][REGION]
        for instance in instances:
            backend.get_instance(instance.ec2_id).interruption_time = when.strftime("%Y-%m-%dT%H:%M:%SZ")

    def delay_sshd(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Make sshd refuse connections for the fault's time."""
        for instance in instances:
            self.on_node(instance, lambda node: run(node, STOP_SSHD))
            timer = threading.Timer(fault.parameters["seconds"], self._start_sshd, (instance,))
            timer.daemon = True
            timer.start()

    def _start_sshd(self, instance: Instance) -> None:
        self.on_node(instance, lambda node: run(node, START_SSHD))

    def on_node(self, instance: Instance, act: Callable[[MachineNode], T]) -> T | None:
        """Do something to the node of an instance; None, and a line in the log, when it cannot be done."""
        try:
            return act(self._machines.get(instance.ec2_id))
        except (BoxError, OSError) as problem:
            LOG.warning("a fault could not act on %s: %s", instance.ec2_id, problem)
            return None
