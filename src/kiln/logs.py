"""Where a step's logs are and how they are read: over SSH while the nodes live, from S3 after.

Layout (AWS EMR Management Guide, mrjob): step files in /mnt/var/log/hadoop/steps/<step>/ on the master and
<LogUri>/<cluster>/steps/<step>/*.gz; containers in
/mnt/var/log/hadoop-yarn/containers/<application>/<container>/ on their node and
 <LogUri>/<cluster>/containers/<application>/<container>/*.gz.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from kiln.errors import KilnError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from kiln.effects import Cluster, Effects

STEP_FILES = ("stderr", "stdout", "controller", "syslog")
APPLICATION = re.compile(r"Submitted application (application_\d+_\d+)")
STEPS_FOLDER = "/mnt/var/log/hadoop/steps"
_CONTAINERS = "/mnt/var/log/hadoop-yarn/containers"
_SSH_SECONDS = 20
_MOST_BYTES = 4 * 1024 * 1024


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """One log: where it is, and its text."""

    address: str
    text: str


class Ssh(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster's nodes are reached; host keys are pinned in a file a cluster, as the playbooks do."""

    user: str
    key_file: str
    known_hosts: Path
    proxy_command: str = ""  # empty = ssh connects by itself

    def command(self, address: str, *words: str) -> list[str]:
        """Return the ssh command line."""
        options = [
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=8", "-o", "LogLevel=ERROR"),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=accept-new"),
            *("-o", f"ProxyCommand={self.proxy_command or 'none'}"),
            *(["-i", self.key_file, "-o", "IdentitiesOnly=yes"] if self.key_file else []),
        ]
        return ["ssh", *options, f"{self.user}@{address}", *words]

    def read(self, address: str, script: str) -> str | None:
        """Return what a shell script prints on a node, None when it fails or the node is out of reach."""
        self.known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            finished = subprocess.run(
                self.command(address, script),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SSH_SECONDS,
                check=False,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return finished.stdout.decode(errors="replace") if finished.returncode == 0 else None


class Source(Protocol):
    """A place where logs are."""

    def step(self, step_id: str) -> list[Log]:
        """Return the files of a step; none when this place has none (yet)."""

    def driver(self, application: str) -> list[Log]:
        """Return the files of an application's first container, where a driver in cluster mode writes."""


class NodeLogs:
    """The logs on the nodes themselves: there at once, gone with the cluster."""

    def __init__(self, ssh: Ssh, master: str, others: Sequence[str]) -> None:
        self._ssh = ssh
        self._master = master
        self._nodes = [*others, master]

    def step(self, step_id: str) -> list[Log]:
        """Read the step's files on the master."""
        return self._files(self._master, f"{STEPS_FOLDER}/{step_id}", STEP_FILES)

    def driver(self, application: str) -> list[Log]:
        """Look for the first container on every node at once."""
        folder = f"{_CONTAINERS}/{application}/container_*_000001"
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = pool.map(lambda node: self._files(node, folder, ("stdout", "stderr")), self._nodes)
            return [log for logs in found for log in logs]

    def _files(self, address: str, folder: str, names: Iterable[str]) -> list[Log]:
        # One connection for all of a folder's files; each begins with a line that no log holds.
        mark = "@@kiln-log "
        wanted = " ".join(f"{folder}/{name}" for name in names)
        script = (
            f'for f in {wanted}; do if sudo -n test -r "$f"; then '
            f'echo "{mark}$f"; sudo -n tail -c {_MOST_BYTES} "$f"; echo; fi; done'
        )
        text = self._ssh.read(address, script) or ""
        logs = []
        for part in text.split(mark)[1:]:
            path, _, body = part.partition("\n")
            if body.strip():
                logs.append(Log(address=f"{address}:{path}", text=body))
        return logs


class StoredLogs:
    """The logs in S3: pushed every few minutes, complete after the cluster's end."""

    def __init__(self, effects: Effects, log_uri: str, cluster_id: str) -> None:
        self._effects = effects
        self.base = f"{log_uri}{cluster_id}/" if log_uri else ""

    def step(self, step_id: str) -> list[Log]:
        """Read the step's files."""
        return self._below(f"{self.base}steps/{step_id}/", re.compile("/(stderr|stdout|controller|syslog)"))

    def driver(self, application: str) -> list[Log]:
        """Read the files of the first container."""
        return self._below(
            f"{self.base}containers/{application}/", re.compile(r"_000001/(stdout|stderr)(\.gz)?$")
        )

    def _below(self, prefix: str, wanted: re.Pattern[str]) -> list[Log]:
        if not self.base:
            return []
        try:
            found = [one for one in self._effects.list_objects(prefix) if wanted.search(one.uri)]
            logs = [self._read(one.uri) for one in found if one.size <= _MOST_BYTES]
        except KilnError:
            return []
        return [log for log in logs if log is not None and log.text.strip()]

    def _read(self, uri: str) -> Log | None:
        stored = self._effects.get_object(uri)
        if stored is None:
            return None
        body = gzip.decompress(stored.body) if uri.endswith(".gz") else stored.body
        return Log(address=uri, text=body.decode(errors="replace"))


def application_of(step_logs: Sequence[Log]) -> str | None:
    """Return the YARN application that a step's client submitted, None in client mode."""
    found = [match for log in step_logs for match in APPLICATION.findall(log.text)]
    return found[-1] if found else None


def sources(effects: Effects, cluster: Cluster, ssh: Ssh) -> list[Source]:
    """Return where to look, best first: live nodes, then S3."""
    stored = StoredLogs(effects, cluster.log_uri, cluster.id)
    try:
        nodes = [node for node in effects.list_instances(cluster.id) if node.state == "RUNNING"]
    except KilnError:
        nodes = []
    masters = [node.private_ip_address for node in nodes if node.group == "MASTER"]
    if not masters or cluster.state not in {"RUNNING", "WAITING"}:
        return [stored]
    others = [node.private_ip_address for node in nodes if node.group != "MASTER"]
    return [NodeLogs(ssh, masters[0], others), stored]
