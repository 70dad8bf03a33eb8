"""The kinds of faults of real nodes: their processes, disks and host keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.faults import full_disk
from emrbox.faults.kinds.kind import REAL, NodeKind, Parameter, Where, on_nodes

if TYPE_CHECKING:
    from emrbox.emr.machines.node_access import MachineNode
    from emrbox.faults.book import Fault
    from emrbox.faults.kinds.kind import Undo

# kill(-1): every process of the node's pid namespace but its first and the caller.
STOP_PROCESSES = "kill -STOP -1"
NEW_HOST_KEY = """\
set -e
key=/etc/ssh/ssh_host_ed25519_key
rm -f "$key" "$key.pub"
ssh-keygen -q -t ed25519 -N '' -C "root@$(hostname)" -f "$key"
pkill -HUP -o -x sshd
"""


def hang(_fault: Fault, node: MachineNode) -> Undo:
    """Stop every process of the node."""
    run(node, STOP_PROCESSES)
    return lambda stopped: stopped.go_on()


def fill_disk(fault: Fault, node: MachineNode) -> Undo:
    """Leave no space in the fault's folders."""
    mounted: full_disk.Mounted = []
    paths = [path.strip() for path in fault.parameters["paths"].split(",") if path.strip()]
    try:
        full_disk.fill(node, paths, mounted)
    except OSError:
        full_disk.empty(node, mounted)
        raise
    return lambda filled: full_disk.empty(filled, mounted)


def change_host_key(_fault: Fault, node: MachineNode) -> None:
    """Give the node another SSH host key, for good."""
    run(node, NEW_HOST_KEY)


def run(node: MachineNode, script: str) -> None:
    """Run a script on a node; OSError with what it said when it fails."""
    done = node.run(["sh", "-c", script])
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-500:]
        raise OSError(f"exit code {done.returncode}: {said}")


NODE_KINDS = (
    NodeKind(
        "hang",
        Where.NODE,
        "stops every process of a node: it accepts TCP and answers nothing",
        on_nodes("CORE", 1),
        clusters=REAL,
        count=1,
        act=hang,
    ),
    NodeKind(
        "disk-full",
        Where.NODE,
        "leaves no space on a node's disk; what it holds stays readable",
        on_nodes(
            "CORE",
            1,
            paths=Parameter("/", "which folders, with commas; /: all, but files in / itself"),
        ),
        clusters=REAL,
        count=1,
        act=fill_disk,
    ),
    NodeKind(
        "host-key-changed",
        Where.NODE,
        "gives a node another SSH host key; its console still shows the old one",
        on_nodes("MASTER", 1),
        clusters=REAL,
        count=1,
        act=change_host_key,
    ),
)
