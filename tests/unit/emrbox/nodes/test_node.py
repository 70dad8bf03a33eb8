from __future__ import annotations

import subprocess
import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from emrbox.config import BoxConfig, Images
from emrbox.nodes.node import Node
from emrbox.nodes.tree import NodeSpec

if TYPE_CHECKING:
    from pathlib import Path


class NoMetadata:
    def add(self, *_: object) -> None: ...

    def remove(self, *_: object) -> None: ...


def test_a_node_can_be_ended_before_its_first_process_is_there(tmp_path: Path) -> None:
    images = Images(tmp_path, {}, tmp_path)
    config = BoxConfig(tmp_path, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)
    node = Node(NodeSpec("i-1", "10.213.8.4", "a", ()), config, NoMetadata())
    # In place of `unshare`: has no child until it is told to.
    holder = subprocess.Popen(["bash", "-c", "read; sleep 1000; exit"], stdin=subprocess.PIPE)
    node._holder = holder
    ending = threading.Thread(target=node.halt, daemon=True)
    ending.start()
    ending.join(0.2)
    assert ending.is_alive()
    assert holder.stdin is not None
    holder.stdin.write(b"\n")
    holder.stdin.close()
    ending.join(60)
    assert not ending.is_alive()
