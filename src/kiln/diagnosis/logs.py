"""Where a step's logs are and how they are read: over SSH while the nodes live, from S3 after.

Layout (docs/aws_facts.md 3.2, 3.3): step files in /mnt/var/log/hadoop/steps/<step>/ on the master and
<LogUri>/<cluster>/steps/<step>/*.gz; containers in
/mnt/var/log/hadoop-yarn/containers/<application>/<container>/ on their node and
<LogUri>/<cluster>/containers/<application>/<container>/*.gz.
"""

from __future__ import annotations

import re
import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from kiln.diagnosis import unpack
from kiln.diagnosis.unpack import MIB, megabytes
from kiln.errors import KilnError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kiln.aws.effects import Cluster, Effects, ObjectSummary
    from kiln.diagnosis.ssh import Ssh

STEP_FILES = ("stderr", "stdout", "controller", "syslog")
APPLICATION = re.compile(r"Submitted application (application_\d+_\d+)")
STEPS_FOLDER = "/mnt/var/log/hadoop/steps"
_CONTAINERS = "/mnt/var/log/hadoop-yarn/containers"
_LIMITS = unpack.Limits()
# A compressed log has to be read from its start.
_MOST_PACKED_BYTES = 64 * MIB
# A step has four files and their rotated parts.
_MOST_FILES = 20
# Of one node: the four files of a step, or two each of a driver's attempts, and what stands between them.
_MOST_NODE_BYTES = len(STEP_FILES) * _LIMITS.kept + MIB
# A driver's attempts, newest last; YARN makes two at most by default (yarn.resourcemanager.am.max-attempts).
_MOST_FOLDERS = 2
_FILE_SECONDS = 5
_SIZE_DIGITS = 18


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """One log: where it is, its text or the end of it, and what is not whole about it (empty when all is)."""

    address: str
    text: str
    note: str = ""


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
        return self._files(self._master, f"{STEPS_FOLDER}/{shlex.quote(step_id)}", STEP_FILES)

    def driver(self, application: str) -> list[Log]:
        """Search every node at once for the first container."""
        folder = f"{_CONTAINERS}/{application}/container_*_000001"
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = pool.map(lambda node: self._files(node, folder, ("stdout", "stderr")), self._nodes)
            return [log for logs in found for log in logs]

    def _files(self, address: str, folders: str, names: Iterable[str]) -> list[Log]:
        # One connection for all of a folder's files; each begins with a line that no log holds.
        mark = f"@@kiln-log-{secrets.token_hex(8)} "
        answer = self._ssh.read(address, _script(mark, folders, names), _MOST_NODE_BYTES)
        if answer is None:
            return []
        found = [_log(address, part) for part in answer.text.split(mark)[1:]]
        if answer.is_cut:
            note = f"more than {megabytes(_MOST_NODE_BYTES)} came from this node: what follows is left out"
            found.append(Log(address=f"{address}:{folders}", text="", note=note))
        return [log for log in found if log.text.strip() or log.note]


def _script(mark: str, folders: str, names: Iterable[str]) -> str:
    """Return a script that prints the ends of regular files: what else a job has made there may never end."""
    return (
        f"set -- {folders}; "
        f'if [ $# -gt {_MOST_FOLDERS} ]; then echo "{mark}$(($# - {_MOST_FOLDERS})) "; '
        f"shift $(($# - {_MOST_FOLDERS})); fi; "
        f'for d; do for n in {" ".join(names)}; do f="$d/$n"; if sudo -n test -f "$f"; then '
        f'echo "{mark}$(sudo -n stat -L -c %s "$f") $f"; '
        f'sudo -n timeout {_FILE_SECONDS} tail -c {_LIMITS.kept} "$f"; echo; fi; done; done'
    )


def _log(address: str, part: str) -> Log:
    """Return a file that a script has printed; without a name it is the number of folders left out."""
    head, _, body = part.partition("\n")
    size, _, path = head.partition(" ")
    total = int(size) if size.isascii() and size.isdecimal() and len(size) <= _SIZE_DIGITS else 0
    if not path:
        return Log(address=address, text="", note=f"{total} older folders are not shown")
    return Log(address=f"{address}:{path}", text=body, note=_left_out(total) if body.strip() else "")


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
        except KilnError as error:
            return [Log(address=prefix, text="", note=f"cannot be listed: {error.message}")]
        newest = sorted(found, key=lambda one: one.modified_at)[-_MOST_FILES:]
        logs = [self._read(one) for one in sorted(newest, key=_rank)]
        if len(found) > len(newest):
            note = f"{len(found) - len(newest)} older files are not shown"
            logs.append(Log(address=prefix, text="", note=note))
        return [log for log in logs if log.text.strip() or log.note]

    def _read(self, one: ObjectSummary) -> Log:
        """Read the end of one file; its note has what is wrong with it."""
        packed = one.uri.endswith(".gz")
        most = _MOST_PACKED_BYTES if packed else _LIMITS.kept
        try:
            stored = self._effects.get_object(one.uri, most_bytes=most, from_end=not packed)
        except KilnError as error:
            return Log(address=one.uri, text="", note=f"cannot be read: {error.message}")
        if stored is None:
            return Log(address=one.uri, text="", note="is gone")
        if packed:
            found = unpack.gunzip_end(stored.body, _LIMITS)
            note = f"{_left_out(found.total)}; {found.problem}" if found.problem else _left_out(found.total)
        else:
            found, note = unpack.Unpacked(stored.body, stored.size), _left_out(stored.size)
        return Log(address=one.uri, text=found.body.decode(errors="replace"), note=note.removeprefix("; "))


def _rank(one: ObjectSummary) -> tuple[int, str]:
    """Return a key that sorts a step's files as they are read: what the job wrote comes before the rest."""
    name = one.uri.rpartition("/")[2].partition(".")[0]
    return STEP_FILES.index(name) if name in STEP_FILES else len(STEP_FILES), one.uri


def _left_out(total: int) -> str:
    if total <= _LIMITS.kept:
        return ""
    return f"the last {megabytes(_LIMITS.kept)} of {megabytes(total)}; the rest is only there"


def application_of(step_logs: Sequence[Log]) -> str | None:
    """Return the YARN application that a step's client submitted, None in client mode."""
    found = [match for log in step_logs for match in APPLICATION.findall(log.text)]
    return found[-1] if found else None


def sources(effects: Effects, cluster: Cluster, ssh: Ssh) -> list[Source]:
    """Return the places that have logs, the best first: live nodes, then S3."""
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
