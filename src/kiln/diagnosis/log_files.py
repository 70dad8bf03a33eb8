"""Logs that are followed, whichever place their bytes come from: each byte is shown once, in order."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from kiln.diagnosis.node_logs import CONTAINERS_FOLDER, STEPS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

# A line without an end must not fill the memory.
_LINE_CHARACTERS = 64 * 1024


def key_of(path: str) -> str:
    """Return what a file of a node is called below the cluster's logs in S3 (docs/aws_facts.md 3.2, 3.3).

    Empty for one that is no log of a step or of a container.
    """
    for folder, name in ((STEPS_FOLDER, "steps"), (CONTAINERS_FOLDER, "containers")):
        if path.startswith(f"{folder}/"):
            return name + path.removeprefix(folder)
    return ""


class LogFile:
    """One log. `position` is how many of its bytes have been taken, from the first one of the log on.

    A node may begin a file anew (rotation): its bytes follow those that came before, as in S3, where the
    older parts have names of their own.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.position = 0
        self._base = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def take_from_node(self, begin: int, body: bytes) -> Iterator[str]:
        """Return the lines that a piece of the node's file completes."""
        if begin == 0 and self.position > self._base:
            self._base = self.position
        return self.take(self._base + begin, body)

    def take(self, begin: int, body: bytes) -> Iterator[str]:
        """Return the lines that bytes of the whole log complete; what was taken before is left out."""
        new = body[max(0, self.position - begin) :]
        self.position = max(self.position, begin + len(body))
        *lines, self._rest = (self._rest + self._decoder.decode(new)).split("\n")
        yield from lines
        if len(self._rest) > _LINE_CHARACTERS:
            yield self.flush()

    def flush(self) -> str:
        """Return what is left of a line without an end."""
        rest, self._rest = self._rest, ""
        return rest
