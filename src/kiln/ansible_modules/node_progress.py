"""How far the nodes are, for the driver that runs this playbook: lines of JSON into its pipe."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from kiln.nodes import results
from kiln.paths import PROGRESS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.nodes.results import ItemResult


class Progress:
    """Collects results by item. Whoever runs the playbook by hand has no pipe."""

    def __init__(self, labels: Sequence[str], nodes: int) -> None:
        self._found: dict[str, list[tuple[ItemResult, str]]] = {label: [] for label in labels}
        self._nodes = nodes
        self._pipe = _opened(os.environ.get(PROGRESS_VARIABLE, ""))

    def __call__(self, node: str, result: ItemResult) -> None:
        """Count a result; the last one of an item sums it up."""
        found = self._found[result.item]
        found.append((result, node))
        if self._pipe is None:
            return
        is_last = len(found) == self._nodes
        changed = any(one.state == "changed" for one, _ in found)
        document = {
            "event": "progress",
            "done": {label: len(of_label) for label, of_label in self._found.items()},
            "total": self._nodes,
            "changed": [result.item] if result.state == "changed" else [],
            "lines": [results.line_of(result.item, found)] if is_last and changed else [],
        }
        # Shorter than PIPE_BUF, so it is written whole or not at all; a full pipe loses a line.
        with suppress(OSError):
            os.write(self._pipe, json.dumps(document).encode() + b"\n")


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC) if path else None
    except OSError:
        return None
