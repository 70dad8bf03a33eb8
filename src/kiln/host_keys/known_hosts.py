"""The files with a cluster's host keys on this machine, and the options with which ssh uses them.

Keys are stored under the ids of the instances (HostKeyAlias), because EC2 gives the address of a node that
has ended to another one. `<cluster id>` is the known_hosts file, to which ssh itself adds the key of a node
at the first contact; `<cluster id>.jsonl` says for each node where its key came from. Lines are only added,
all of a process in one write, so processes need no lock.
"""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from kiln import private

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

CONSOLE, FIRST_CONTACT = "console output", "first contact"
# What ssh says when it refuses a host key (OpenSSH, sshconnect.c).
_REFUSALS = ("host key verification failed", "identification has changed")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Where the key of a node came from, and when. `reason`: why its console output was not used."""

    instance_id: str
    address: str
    source: str
    decided_at: str
    reason: str = ""
    fingerprints: tuple[str, ...] = ()


class KnownHosts(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one cluster. Raises OSError from the methods that write."""

    folder: Path
    cluster_id: str

    @property
    def file(self) -> Path:
        """The known_hosts file."""
        return self.folder / self.cluster_id

    @property
    def record(self) -> Path:
        """The decisions, one document a line."""
        return self.folder / f"{self.cluster_id}.jsonl"

    def names(self) -> frozenset[str]:
        """Return the ids of the instances that have a key."""
        try:
            lines = self.file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return frozenset()
        return frozenset(line.partition(" ")[0] for line in lines)

    def pinned_before(self) -> frozenset[str]:
        """Return the ids of the instances whose keys were once pinned from the console output."""
        try:
            lines = self.record.read_bytes().splitlines()
        except FileNotFoundError:
            return frozenset()
        found = []
        for line in lines:
            # A disk that was full leaves half a line.
            with suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line, type=Decision))
        return frozenset(one.instance_id for one in found if one.source == CONSOLE)

    def add(self, lines: Iterable[str], decisions: Sequence[Decision]) -> None:
        """Add lines of keys, and what was decided about nodes."""
        private.folder(self.folder)
        _append(self.file, lines)
        _append(self.record, [json.dumps(msgspec.to_builtins(one)) for one in decisions])

    def options(self, instance_id: str) -> list[str]:
        """Return the options of ssh for a node. One that has a key may show no other, of whatever kind."""
        return [
            f'UserKnownHostsFile="{self.file}"',
            f"StrictHostKeyChecking={self.checking(instance_id)}",
            f"HostKeyAlias={instance_id}",
            # The names of nodes must be readable: Debian's ssh_config hashes them.
            "HashKnownHosts=no",
        ]

    def checking(self, instance_id: str, names: frozenset[str] | None = None) -> str:
        """Return ssh's StrictHostKeyChecking for a node. `names`: what `names()` has returned.

        With `accept-new` ssh refuses another key of the same kind, but takes one of another kind.
        """
        return "yes" if instance_id in (self.names() if names is None else names) else "accept-new"


def _append(file: Path, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def problem(said: str, options: Iterable[str]) -> str:
    """Return, for one line, why ssh has refused a node's key and what to do; empty for other reasons.

    `said` is what ssh has printed, `options` are its arguments; without Kiln's among them it is empty, too.
    """
    given = dict(word.split("=", 1) for word in options if "=" in word)
    file, name = given.get("UserKnownHostsFile", "").strip('"'), given.get("HostKeyAlias", "")
    if not (file and name and any(words in said.lower() for words in _REFUSALS)):
        return ""
    return (
        f"its SSH host key is not the one in {file}, where it is called {name}: nothing was sent to it. "
        f"When you know why it has changed: ssh-keygen -f {shlex.quote(file)} -R {shlex.quote(name)}"
    )
