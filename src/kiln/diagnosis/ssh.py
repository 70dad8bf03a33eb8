"""Nodes that are reached by SSH, with pinned host keys and limits on what they answer."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from kiln import private
from kiln.diagnosis import child_output
from kiln.host_keys import known_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kiln.aws.effects import Instance
    from kiln.host_keys.known_hosts import KnownHosts

_SECONDS = 20


def _nothing(*_: object) -> None:
    """Do nothing."""


class Ssh(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster's nodes are reached; host keys are pinned in a file a cluster, as the playbooks do.

    `pin` gets nodes (address by instance id) before the first connection to them. `report` gets a line about
    each node whose host key was refused. `instance_ids`: those of nodes by address.
    """

    user: str
    key_file: str
    known_hosts: KnownHosts
    proxy_command: str = ""  # empty = ssh connects by itself
    pin: Callable[[Mapping[str, str]], object] = _nothing
    report: Callable[[str], object] = _nothing
    instance_ids: Mapping[str, str] = {}

    def knowing(self, nodes: Iterable[Instance]) -> Ssh:
        """Return how these nodes are reached, with their host keys pinned."""
        return self.knowing_ids(
            {one.private_ip_address: one.ec2_instance_id for one in nodes if one.ec2_instance_id}
        )

    def knowing_ids(self, ids: Mapping[str, str]) -> Ssh:
        """Return how instances (id by address) are reached, with their host keys pinned."""
        with suppress(OSError):
            self.pin({instance_id: address for address, instance_id in ids.items()})
        return msgspec.structs.replace(self, instance_ids={**self.instance_ids, **ids})

    def command(self, address: str, *words: str, first: Sequence[str] = ()) -> list[str]:
        """Return the ssh command line. Options in `first` win: ssh takes the first value of each."""
        pinned = self.known_hosts.options(self.instance_ids.get(address, address))
        options = [
            *first,
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=8", "-o", "LogLevel=ERROR"),
            *(word for option in pinned for word in ("-o", option)),
            *("-o", f"ProxyCommand={self.proxy_command or 'none'}"),
            *(["-i", self.key_file, "-o", "IdentitiesOnly=yes"] if self.key_file else []),
        ]
        return ["ssh", *options, f"{self.user}@{address}", *words]

    def read(
        self, address: str, script: str, most_bytes: int, seconds: float | None = None
    ) -> child_output.Output | None:
        """Return what a shell script prints on a node, None when it fails or the node is out of reach."""
        try:
            private.folder(self.known_hosts.folder)
            with tempfile.NamedTemporaryFile() as said:
                # Only what ssh itself says: a script on a node may print without end.
                command = self.command(address, script, first=("-E", said.name))
                answer = child_output.read(command, most_bytes, _SECONDS if seconds is None else seconds)
                text = "" if answer else said.read().decode(errors="replace")
        except OSError:
            return None
        if problem := known_hosts.problem(text, command):
            self.report(f"{address}: {problem}")
        return answer
