"""The logs on the nodes of a live cluster, read over SSH."""

from __future__ import annotations

import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

from kiln.diagnosis.logs import LIMITS, STEP_FILES, Log, left_out
from kiln.diagnosis.unpack import MIB, megabytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kiln.diagnosis.ssh import Ssh

STEPS_FOLDER = "/mnt/var/log/hadoop/steps"
CONTAINERS_FOLDER = "/mnt/var/log/hadoop-yarn/containers"
# Of one node: the four files of a step, or two each of a driver's attempts, and what stands between them.
_MOST_NODE_BYTES = len(STEP_FILES) * LIMITS.kept + MIB
_FILE_SECONDS = 5
# Every container but the first.
_NOT_FIRST = ("container_*[02-9]", "container_*[1-9]1")
MOST_AT_ONCE = 8
SEARCH_SECONDS = 30.0
_SIZE_DIGITS = 18


class Part(NamedTuple):
    """How much of a search is read: bytes of each file's end, and folders, the last ones by name."""

    kept: int
    folders: int


# YARN makes two attempts of a driver at most by default (yarn.resourcemanager.am.max-attempts).
_DRIVER = Part(LIMITS.kept, 2)
_EXECUTORS = Part(MIB, 4)


class NodeLogs:
    """The logs on the nodes themselves: there at once, gone with the cluster."""

    def __init__(self, ssh: Ssh, master: str, others: Sequence[str]) -> None:
        self._ssh = ssh
        self._master = master
        self._nodes = [*others, master]

    def step(self, step_id: str) -> list[Log]:
        """Read the step's files on the master."""
        return self._files(self._master, f"{STEPS_FOLDER}/{shlex.quote(step_id)}", STEP_FILES, _DRIVER)

    def driver(self, application: str) -> list[Log]:
        """Search every node for the first container."""
        return self._search(application, ["container_*_000001"], _DRIVER)

    def executors(self, application: str, containers: Sequence[str]) -> list[Log]:
        """Search every node for these containers, or for the newest ones."""
        names = [shlex.quote(name) for name in containers] or _NOT_FIRST
        return self._search(application, names, _EXECUTORS)

    def _search(self, application: str, containers: Sequence[str], part: Part) -> list[Log]:
        """Ask all nodes at once, for a limited time: some of them may not answer."""
        with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
            folders = " ".join(f"{CONTAINERS_FOLDER}/{application}/{name}" for name in containers)
            asked = {
                pool.submit(self._files, node, folders, ("stdout", "stderr"), part): node
                for node in self._nodes
            }
            _, left = wait(asked, timeout=SEARCH_SECONDS)
            late = [one for one in left if one.cancel()]
        found = [log for one in asked if one not in late for log in one.result()]
        note = f"was not asked: the search took longer than {SEARCH_SECONDS:.0f} s"
        return found + [Log(address=asked[one], text="", note=note) for one in late]

    def _files(self, address: str, folders: str, names: Iterable[str], part: Part) -> list[Log]:
        # One connection for all of a folder's files; each begins with a line that no log holds.
        mark = f"@@kiln-log-{secrets.token_hex(8)} "
        answer = self._ssh.read(address, _script(mark, folders, names, part), _MOST_NODE_BYTES)
        if answer is None:
            return []
        found = [_log(address, text, part.kept) for text in answer.text.split(mark)[1:]]
        if answer.is_cut:
            note = f"more than {megabytes(_MOST_NODE_BYTES)} came from this node: what follows is left out"
            found.append(Log(address=f"{address}:{folders}", text="", note=note))
        return [log for log in found if log.text.strip() or log.note]


def _script(mark: str, folders: str, names: Iterable[str], part: Part) -> str:
    """Return a script that prints the ends of regular files: what else a job has made there may never end."""
    return (
        f"set -- {folders}; "
        f'if [ $# -gt {part.folders} ]; then echo "{mark}$(($# - {part.folders})) "; '
        f"shift $(($# - {part.folders})); fi; "
        f'for d; do for n in {" ".join(names)}; do f="$d/$n"; if sudo -n test -f "$f"; then '
        f'echo "{mark}$(sudo -n stat -L -c %s "$f") $f"; '
        f'sudo -n timeout {_FILE_SECONDS} tail -c {part.kept} "$f"; echo; fi; done; done'
    )


def _log(address: str, text: str, kept: int) -> Log:
    """Return a file that a script has printed; without a name it is the number of folders left out."""
    head, _, body = text.partition("\n")
    size, _, path = head.partition(" ")
    total = int(size) if size.isascii() and size.isdecimal() and len(size) <= _SIZE_DIGITS else 0
    if not path:
        return Log(address=address, text="", note=f"{total} older folders are not shown")
    return Log(address=f"{address}:{path}", text=body, note=left_out(total, kept) if body.strip() else "")
