"""What S3 has of logs that were followed on nodes: the rest of each, from the byte where that stopped."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from kiln.diagnosis import unpack
from kiln.diagnosis.log_files import LogFile
from kiln.errors import KilnError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Effects, ObjectSummary

CONTAINER_FILES = ("stdout", "stderr")
# For how long logs are waited for after a cluster's end: twice as long as EMR takes to push them (3.2).
_MOST_SECONDS, _INTERVAL_SECONDS = 600.0, 5.0
# A compressed log has to be read from its start.
_MOST_PACKED_BYTES = 256 * unpack.MIB
# `stderr.gz` is the newest part, `stderr.2026-11-20-14.gz` an older one (docs/aws_facts.md 3.2).
_PART = re.compile(r"([a-z]{1,20})((?:\.[0-9-]{1,20})?)(?:\.gz)?")


def parts(effects: Effects, base: str, folder: str, names: Sequence[str]) -> dict[str, list[ObjectSummary]]:
    """Return the objects of each log below a folder of a cluster's logs, by key, the oldest part first.

    `names` are those of logs, such as stderr. Raises what AWS's answers raise.
    """
    found: dict[str, list[tuple[bool, str, ObjectSummary]]] = {}
    for one in effects.list_objects(f"{base}{folder}"):
        where, _, file = one.uri.removeprefix(base).rpartition("/")
        match = _PART.fullmatch(file)
        if match and match[1] in names:
            # A part with a time in its name is older than the one without.
            found.setdefault(f"{where}/{match[1]}", []).append((not match[2], match[2], one))
    return {key: [one[2] for one in sorted(listed, key=lambda one: one[:2])] for key, listed in found.items()}


def pieces(effects: Effects, listed: Sequence[ObjectSummary]) -> Iterator[bytes]:
    """Yield the bytes of a log, part after part, unpacked. Raises ValueError for what cannot be read."""
    for one in listed:
        stored = effects.get_object(one.uri, most_bytes=_MOST_PACKED_BYTES)
        if stored is None:
            raise ValueError(f"{one.uri} is gone")
        if not one.uri.endswith(".gz"):
            yield stored.body
            continue
        try:
            yield from unpack.parts(stored.body)
        except (unpack.BreakError, zlib.error) as error:
            raise ValueError(f"{one.uri} cannot be unpacked: {error}") from error


@dataclass(frozen=True, kw_only=True)
class StoredRest:
    """Shows of logs in S3 what nobody has shown yet. `base` is the prefix of the cluster's logs."""

    context: Context
    base: str
    files: dict[str, LogFile]
    show: Callable[[LogFile, Iterator[str]], None]

    def read(self, step_id: str, names: Sequence[str], containers: str, applications: Sequence[str]) -> str:
        """Show the rest of a step's logs, and of those containers that a pattern of their names fits.

        `applications` may grow while a step's log is shown. EMR pushes what is left when a cluster ends, and
        S3 may have it some minutes later: it is waited for until S3 has all that was shown before. Returns
        why something is missing, or nothing.
        """
        if not self.base:
            return "the cluster has no log URI: what its nodes had not shown is lost"
        ends_at = self.context.clock.monotonic() + _MOST_SECONDS
        while True:
            problem = self._read_all(step_id, names, containers, applications)
            if not problem or self.context.clock.monotonic() >= ends_at:
                return problem
            self.context.clock.wait(_INTERVAL_SECONDS, self.context.stop.event)
            self.context.stop.check()

    def _read_all(
        self, step_id: str, names: Sequence[str], containers: str, applications: Sequence[str]
    ) -> str:
        missing = set(self.files)
        try:
            missing -= self._read_below(f"steps/{step_id}/", names, "*")
            for application in applications:
                missing -= self._read_below(f"containers/{application}/", CONTAINER_FILES, containers)
        except (KilnError, ValueError) as error:
            return str(error)
        lacking = f"S3 has less of {', '.join(sorted(missing))} than was shown"
        return lacking if missing else "" if self.files else f"S3 has no logs of step {step_id}"

    def _read_below(self, folder: str, names: Sequence[str], containers: str) -> set[str]:
        """Show what is new below a folder; return the keys of the logs that S3 has whole."""
        whole = set()
        for key, listed in parts(self.context.effects, self.base, folder, names).items():
            if not fnmatchcase(key.split("/")[-2], containers):
                continue
            file, begin = self.files.setdefault(key, LogFile(key)), 0
            for piece in pieces(self.context.effects, listed):
                self.show(file, file.take(begin, piece))
                begin += len(piece)
            if begin >= file.position:
                whole.add(key)
        return whole
