"""A node that joined a running cluster: the same items, with their content from S3.

Nodes can read what lies there and cannot write it (iam/instance_profile.json).
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kiln.nodes.on_node import main
from kiln.nodes.on_node.items import ItemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.nodes.on_node.items import Item

# In the order of playbooks/nodes.yml. Secrets are in no S3: only their place is known here.
ORDER = ("packages", "files", "system_settings", "environment", "release")
SECRETS = "secrets"
_OWN = Path("/opt/kiln")
_POLL_SECONDS = 0.5


class S3Source:
    """Takes the place of the channel: what the control host would answer stands in the items themselves."""

    def __init__(self, items: Mapping[str, Item]) -> None:
        self._items = items
        self.is_lost = threading.Event()
        self.failed = ""

    def say(self, **document: Any) -> None:
        """Report what has become of an item."""
        if "item" not in document:
            return
        label = list(self._items)[document["item"]]
        if document["state"] == "failed":
            self.failed = f"{label}: {document['message']}"
        _report(label, document["state"], document["message"], f"{document['seconds']:.1f} s")

    def answer(self, name: str) -> dict[str, object]:
        """Return the archive of an environment; one that nobody has built yet is none for this node."""
        item = self._items[name]
        if not item.get("archive"):
            return {"failed": "it has no archive in S3"}
        return {"archive": item["archive"], "sha256": item["sha256"]}

    def fetch(self, name: str, sink: BinaryIO) -> None:
        """Write what a file holds; refuse what only the control host has."""
        for item in self._items.values():
            if name in item.get("contents", {}):
                sink.write(base64.b64decode(item["contents"][name]))
                return
        raise ItemError(f"{name} has no archive in S3")


def join(folder: Path, own: Path = _OWN) -> None:
    """Apply the items that lie in a folder as <label>.json, then wait for the secrets; report on stdout.

    One program at a time works on the node, by a lock in the folder `own`.
    """
    os.umask(0o022)
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    items = {label: found[label] for label in ORDER if label in found}
    source = S3Source(items)
    main.apply({"check": False, "folder": str(own), "items": list(items.values())}, source)
    if not source.failed and SECRETS in found:
        _wait_for(Path(found[SECRETS]["path"]), float(found[SECRETS]["wait_seconds"]))


def _wait_for(path: Path, seconds: float) -> None:
    """Keep Hadoop from starting before the control host has brought the secrets, which it does over SSH."""
    ends_at = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < ends_at:
        time.sleep(_POLL_SECONDS)
    _report(SECRETS, "there" if path.exists() else f"not brought within {seconds:.0f} s")


def _report(*words: object) -> None:
    """Write a line into the log of the bootstrap action."""
    print(*words, flush=True)  # noqa: T201  # its standard output is that log
