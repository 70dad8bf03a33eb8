"""How the nodes of a cluster are reached over SSH, with their host keys pinned in this checkout."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from kiln import paths
from kiln.diagnosis.ssh import Ssh
from kiln.host_keys import pinning
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kiln.aws.context import Context


class NodeAccess(NamedTuple):
    """The settings of SSH. `key_file` is relative to the checkout; empty for what the SSH agent holds."""

    user: str
    key_file: str = ""
    proxy_command: str = ""


def ssh_of(context: Context, access: NodeAccess, cluster_id: str, report: Callable[[str], object]) -> Ssh:
    """Return how the nodes of a cluster are reached.

    `report` gets a line about what is decided about host keys, and each other line once. Raises OSError when
    the folder of known_hosts files cannot be made.
    """
    root = paths.checkout()
    known = KnownHosts(folder=paths.private_folder(root, "known_hosts"), cluster_id=cluster_id)

    def pin(nodes: Mapping[str, str]) -> None:
        for line in pinning.lines(pinning.pin(context, known, nodes)):
            report(line)

    return Ssh(
        user=access.user,
        key_file=str(root / access.key_file) if access.key_file else "",
        proxy_command=access.proxy_command,
        known_hosts=known,
        pin=pin,
        report=cache(report),
    )
