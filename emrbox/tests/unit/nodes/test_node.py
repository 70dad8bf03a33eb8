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


def new_node(folder: Path) -> Node:
    images = Images(folder, {}, folder)
    config = BoxConfig(folder, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)
    return Node(NodeSpec("i-1", "10.213.8.4", "a", ()), config, NoMetadata())


def test_a_console_is_read_from_its_end_as_far_as_ec2_does(tmp_path: Path) -> None:
    node = new_node(tmp_path)
    assert node.console == b""
    node.folder.mkdir(parents=True)
    (node.folder / "console.log").write_bytes(b"a" * 100_000 + b"end")
    assert node.console == b"a" * (65536 - 3) + b"end"


def test_a_node_can_be_ended_before_its_first_process_is_there(tmp_path: Path) -> None:
    node = new_node(tmp_path)
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
