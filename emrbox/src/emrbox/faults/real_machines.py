"""What faults do to real machines: EC2 takes them away, or their processes, disks and keys are spoilt."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason

from emrbox.config import REGION
from emrbox.errors import BoxError
from emrbox.faults import full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Instance
    from emrbox.emr.machines.node_access import MachineNode, Machines
    from emrbox.faults.book import Fault

LOG = logging.getLogger(__name__)
# kill(-1): every process of the node's pid namespace but its first and the caller.
HANG = "kill -STOP -1"
NEW_HOST_KEY = """\
set -e
key=/etc/ssh/ssh_host_ed25519_key
rm -f "$key" "$key.pub"
ssh-keygen -q -t ed25519 -N '' -C "root@$(hostname)" -f "$key"
pkill -HUP -o -x sshd
"""
STOP_SSHD, START_SSHD = "pkill -o -x sshd", "/usr/sbin/sshd -E /var/log/secure"
MESSAGES = {
    "Server.SpotInstanceTermination": "Server.SpotInstanceTermination: Spot instance termination",
    "Server.InternalError": "Server.InternalError: Internal error on launch",
}


class RealHands:
    """Hands on the box's nodes and on EC2."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._full: dict[tuple[str, str], full_disk.Mounted] = {}  # by fault and instance

    def lose(self, cluster: Cluster, instances: Iterable[Instance], code: str) -> None:
        """End instances as EC2 does by itself, protected or not."""
        backend = ec2_backends[cluster.account_id][REGION]
        for ec2_id in [instance.ec2_id for instance in instances]:
            instance = backend.get_instance(ec2_id)
            instance.disable_api_termination = False
            backend.terminate_instances([ec2_id])
            instance.state_reason = StateReason(MESSAGES[code], code)

    def announce(self, cluster: Cluster, instances: Iterable[Instance], when: datetime) -> None:
        """Let IMDS show spot/instance-action."""
        backend = ec2_backends[cluster.account_id][REGION]
        for instance in instances:
            backend.get_instance(instance.ec2_id).interruption_time = when.strftime("%Y-%m-%dT%H:%M:%SZ")

    def spoil(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Do to nodes what the fault's kind says."""
        for instance in instances:
            if fault.kind.name == "disk-full":
                self._in(instance, self._filler(fault, instance))
            else:
                self._run(instance, {"hang": HANG, "host-key-changed": NEW_HOST_KEY}[fault.kind.name])

    def mend(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Undo it on the nodes that are still there. A changed host key stays."""
        for instance in [i for i in instances if i.status.ended is None]:
            if fault.kind.name == "disk-full":
                self._in(instance, self._emptier(fault, instance))
            elif fault.kind.name == "hang":
                self._in(instance, lambda node: node.go_on())

    def delay_sshd(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Let sshd refuse connections for the fault's time."""
        for instance in instances:
            self._run(instance, STOP_SSHD)
            timer = threading.Timer(fault.parameters["seconds"], self._run, (instance, START_SSHD))
            timer.daemon = True
            timer.start()

    def _filler(self, fault: Fault, instance: Instance) -> Callable[[MachineNode], None]:
        mounted = self._full.setdefault((fault.id, instance.ec2_id), [])
        return lambda node: full_disk.fill(node, _paths(fault), mounted)

    def _emptier(self, fault: Fault, instance: Instance) -> Callable[[MachineNode], None]:
        mounted = self._full.pop((fault.id, instance.ec2_id), [])
        return lambda node: full_disk.empty(node, mounted)

    def _run(self, instance: Instance, script: str) -> None:
        def run(node: MachineNode) -> None:
            done = node.run(["sh", "-c", script])
            if done.returncode:
                said = done.stderr.decode(errors="replace")[-500:]
                LOG.warning("a fault on %s ended with %s: %s", instance.ec2_id, done.returncode, said)

        self._in(instance, run)

    def _in(self, instance: Instance, act: Callable[[MachineNode], None]) -> None:
        try:
            act(self._machines.get(instance.ec2_id))
        except (BoxError, OSError) as problem:
            LOG.warning("a fault could not act on %s: %s", instance.ec2_id, problem)


def _paths(fault: Fault) -> list[str]:
    return [path.strip() for path in fault.parameters.get("paths", "").split(",") if path.strip()]
