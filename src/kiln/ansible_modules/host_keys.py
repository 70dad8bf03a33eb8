"""The work of the action kiln_host_keys: the host key of one plain instance, pinned before ssh connects."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from kiln.ansible_modules import target_nodes
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.ansible_modules.target_nodes import Account


def pinned(file: Path, instance_id: str, address: str, account: Account) -> dict[str, Any]:
    """Return ssh's arguments for an instance, and notes for people.

    Raises PreflightError when the known_hosts file cannot be read or written.
    """
    known = KnownHosts(folder=file.parent, cluster_id=file.name)
    notes, _ = target_nodes.pin(known, {instance_id: address}, account)
    options = known.options(instance_id)
    return {"ssh_arguments": " ".join(f"-o {shlex.quote(option)}" for option in options), "notes": notes}
