"""The logs on the nodes of a live cluster, read over SSH."""

from __future__ import annotations

import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from kiln.diagnosis.logs import LIMITS, STEP_FILES, Log, left_out
from kiln.diagnosis.unpack import MIB, megabytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kiln.diagnosis.ssh import Ssh

STEPS_FOLDER = "/mnt/var/log/hadoop/steps"
CONTAINERS_FOLDER = "/mnt/var/log/hadoop-yarn/containers"
# Of one node: the four files of a step, or two each of a driver's attempts, and what stands between them.
_MOST_NODE_BYTES = len(STEP_FILES) * LIMITS.kept + MIB
# A driver's attempts, newest last; YARN makes two at most by default (yarn.resourcemanager.am.max-attempts).
_MOST_FOLDERS = 2
_FILE_SECONDS = 5
_SIZE_DIGITS = 18


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
        folder = f"{CONTAINERS_FOLDER}/{application}/container_*_000001"
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
        f'sudo -n timeout {_FILE_SECONDS} tail -c {LIMITS.kept} "$f"; echo; fi; done; done'
    )


def _log(address: str, part: str) -> Log:
    """Return a file that a script has printed; without a name it is the number of folders left out."""
    head, _, body = part.partition("\n")
    size, _, path = head.partition(" ")
    total = int(size) if size.isascii() and size.isdecimal() and len(size) <= _SIZE_DIGITS else 0
    if not path:
        return Log(address=address, text="", note=f"{total} older folders are not shown")
    return Log(address=f"{address}:{path}", text=body, note=left_out(total) if body.strip() else "")
