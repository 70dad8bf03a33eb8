"""How a cluster's nodes are reached by SSH, with pinned host keys and limits on what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import private
from kiln.diagnosis import child_output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SECONDS = 20


class Ssh(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster's nodes are reached; host keys are pinned in a file a cluster, as the playbooks do."""

    user: str
    key_file: str
    known_hosts: Path
    proxy_command: str = ""  # empty = ssh connects by itself

    def command(self, address: str, *words: str, first: Sequence[str] = ()) -> list[str]:
        """Return the ssh command line. Options in `first` win: ssh takes the first value of each."""
        options = [
            *first,
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=8", "-o", "LogLevel=ERROR"),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=accept-new"),
            *("-o", f"ProxyCommand={self.proxy_command or 'none'}"),
            *(["-i", self.key_file, "-o", "IdentitiesOnly=yes"] if self.key_file else []),
        ]
        return ["ssh", *options, f"{self.user}@{address}", *words]

    def read(self, address: str, script: str, most_bytes: int) -> child_output.Output | None:
        """Return what a shell script prints on a node, None when it fails or the node is out of reach."""
        try:
            private.folder(self.known_hosts.parent)
        except OSError:
            return None
        return child_output.read(self.command(address, script), most_bytes, _SECONDS)
