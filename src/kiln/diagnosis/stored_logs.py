"""The logs of a cluster in S3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kiln.diagnosis import unpack
from kiln.diagnosis.logs import LIMITS, STEP_FILES, Log, left_out
from kiln.diagnosis.unpack import MIB
from kiln.errors import KilnError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.effects import Effects, ObjectSummary

# A compressed log has to be read from its start.
_MOST_PACKED_BYTES = 64 * MIB
# A step has four files and their rotated parts.
_MOST_FILES = 20
_MOST_EXECUTOR_FILES = 8


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
        return self._containers(application, r"container_\w{1,80}_000001")

    def executors(self, application: str, containers: Sequence[str]) -> list[Log]:
        """Read the files of these containers, or of the newest ones."""
        named = "|".join(re.escape(name) for name in containers)
        return self._containers(
            application, named or r"container_\w{1,80}_(?!000001/)\d{1,9}", _MOST_EXECUTOR_FILES
        )

    def _containers(self, application: str, wanted: str, most: int = _MOST_FILES) -> list[Log]:
        folder = f"{self.base}containers/{application}/"
        return self._below(folder, re.compile(rf"/(?:{wanted})/(?:stdout|stderr)[^/]*$"), most)

    def bootstrap_actions(self, node: str) -> list[Log]:
        """Read the files of a node's bootstrap actions; of the newest ones on any node when none is named."""
        folder = f"{self.base}node/{node}/bootstrap-actions/" if node else f"{self.base}node/"
        return self._below(
            folder, re.compile(r"/bootstrap-actions/\d{1,3}/(?:controller|stderr|stdout)[^/]*$")
        )

    def _below(self, prefix: str, wanted: re.Pattern[str], most: int = _MOST_FILES) -> list[Log]:
        if not self.base:
            return []
        try:
            found = [one for one in self._effects.list_objects(prefix) if wanted.search(one.uri)]
        except KilnError as error:
            return [Log(address=prefix, text="", note=f"cannot be listed: {error.message}")]
        newest = sorted(found, key=lambda one: one.modified_at)[-most:]
        logs = [self._read(one) for one in sorted(newest, key=_rank)]
        if len(found) > len(newest):
            note = f"{len(found) - len(newest)} older files are not shown"
            logs.append(Log(address=prefix, text="", note=note))
        return [log for log in logs if log.text.strip() or log.note]

    def _read(self, one: ObjectSummary) -> Log:
        """Read the end of one file; its note has what is wrong with it."""
        packed = one.uri.endswith(".gz")
        most = _MOST_PACKED_BYTES if packed else LIMITS.kept
        try:
            stored = self._effects.get_object(one.uri, most_bytes=most, from_end=not packed)
        except KilnError as error:
            return Log(address=one.uri, text="", note=f"cannot be read: {error.message}")
        if stored is None:
            return Log(address=one.uri, text="", note="is gone")
        if packed:
            found = unpack.gunzip_end(stored.body, LIMITS)
            note = f"{left_out(found.total)}; {found.problem}" if found.problem else left_out(found.total)
        else:
            found, note = unpack.Unpacked(stored.body, stored.size), left_out(stored.size)
        return Log(address=one.uri, text=found.body.decode(errors="replace"), note=note.removeprefix("; "))


def _rank(one: ObjectSummary) -> tuple[int, str]:
    """Return a key that sorts a step's files as they are read: what the job wrote comes before the rest."""
    name = one.uri.rpartition("/")[2].partition(".")[0]
    return STEP_FILES.index(name) if name in STEP_FILES else len(STEP_FILES), one.uri
