"""How far the nodes are, for the driver that runs this playbook: lines of JSON into its pipe."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from kiln.playbooks.events import PROGRESS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence


class Progress:
    """Counts the nodes that are done with each item. Whoever runs the playbook by hand has no pipe."""

    def __init__(self, labels: Sequence[str], nodes: int) -> None:
        self._done = Counter(dict.fromkeys(labels, 0))
        self._nodes = nodes
        self._pipe = _opened(os.environ.get(PROGRESS_VARIABLE, ""))

    def __call__(self, label: str) -> None:
        """Count one."""
        self._done[label] += 1
        if self._pipe is None:
            return
        line = json.dumps({"event": "progress", "done": dict(self._done), "total": self._nodes})
        # Shorter than PIPE_BUF, so it is written whole or not at all; a full pipe loses a line.
        with suppress(OSError):
            os.write(self._pipe, line.encode() + b"\n")


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC) if path else None
    except OSError:
        return None
