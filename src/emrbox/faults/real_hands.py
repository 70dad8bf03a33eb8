"""What faults do to real machines: EC2 takes them away, or their processes, disks and keys are spoilt."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason

from emrbox.config import REGION
from emrbox.errors import BoxError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Instance
    from emrbox.emr.machines.node_access import Machines
    from emrbox.faults.book import Fault

LOG = logging.getLogger(__name__)
# kill(-1): every process of the node's pid namespace but its first and the caller.
HANG = "kill -STOP -1"
# A layer without room over every folder of the node's disk, or over those that are named. What the folders
# hold shows through; what is written or changed needs room in the layer. Files directly in / are left out:
# nothing can be put over the root of processes that run. The files that sshd opens at each login have their
# room already, as they would on a disk: people can still log in and see what is wrong.
FOLDERS = """\
folders() {
  for path in "$@"; do
    if [ "$path" != / ]; then echo "$path"; continue; fi
    for folder in /*; do
      case $folder in /dev | /proc | /run | /sys) continue ;; esac
      [ -L "$folder" ] || echo "$folder"
    done
  done
}
"""
FILL = f"""\
set -e
{FOLDERS}
layer=/run/full
options=
read -r _ _ ids </proc/self/uid_map
[ "$ids" = 4294967295 ] || options=,userxattr
mkdir -p $layer
mountpoint -q $layer || mount -t tmpfs -o size=4m tmpfs $layer
for folder in $(folders "$@"); do
  [ -d "$folder" ] || continue
  own=$layer/$(echo "$folder" | tr / _)
  mkdir "$own" "$own/upper" "$own/work"
  chmod --reference="$folder" "$own/upper"
  chown --reference="$folder" "$own/upper"
  mount -t overlay -o "lowerdir=$folder,upperdir=$own/upper,workdir=$own/work$options" overlay "$folder"
done
for log in secure wtmp btmp lastlog; do
  [ ! -f /var/log/$log ] || : >>/var/log/$log
done
dd if=/dev/zero of=$layer/full bs=4k 2>/dev/null || true
"""
EMPTY = f"""\
{FOLDERS}
for folder in $(folders "$@"); do umount -l "$folder"; done
umount -l /run/full
"""
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
        script = {"hang": HANG, "disk-full": FILL, "host-key-changed": NEW_HOST_KEY}[fault.kind.name]
        for instance in instances:
            self._run(instance, script, *_paths(fault))

    def mend(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Undo it on the nodes that are still there. A changed host key stays."""
        for instance in [i for i in instances if i.status.ended is None]:
            if fault.kind.name == "disk-full":
                self._run(instance, EMPTY, *_paths(fault))
            elif fault.kind.name == "hang":
                try:
                    self._machines.get(instance.ec2_id).go_on()
                except (BoxError, OSError) as problem:
                    LOG.warning("%s does not go on: %s", instance.ec2_id, problem)

    def delay_sshd(self, fault: Fault, instances: Iterable[Instance]) -> None:
        """Let sshd refuse connections for the fault's time."""
        for instance in instances:
            self._run(instance, STOP_SSHD)
            timer = threading.Timer(fault.parameters["seconds"], self._run, (instance, START_SSHD))
            timer.daemon = True
            timer.start()

    def _run(self, instance: Instance, script: str, *arguments: str) -> None:
        try:
            done = self._machines.get(instance.ec2_id).run(["sh", "-c", script, "fault", *arguments])
        except (BoxError, OSError) as problem:
            LOG.warning("a fault could not act on %s: %s", instance.ec2_id, problem)
            return
        if done.returncode:
            said = done.stderr.decode(errors="replace")[-500:]
            LOG.warning("a fault on %s ended with %s: %s", instance.ec2_id, done.returncode, said)


def _paths(fault: Fault) -> list[str]:
    return [path.strip() for path in fault.parameters.get("paths", "").split(",") if path.strip()]
