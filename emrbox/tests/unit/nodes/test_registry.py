from __future__ import annotations

import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from emrbox.config import BoxConfig, Images
from emrbox.nodes.network import host_name, mac_address, write_names
from emrbox.nodes.node import NodeError
from emrbox.nodes.registry import NodeRegistry
from emrbox.nodes.tree import NodeSpec

if TYPE_CHECKING:
    from pathlib import Path


class NoMetadata:
    def add(self, *_: object) -> None: ...

    def remove(self, *_: object) -> None: ...


@pytest.fixture
def config(tmp_path: Path) -> BoxConfig:
    images = Images(tmp_path, {}, tmp_path)
    return BoxConfig(tmp_path, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)


@pytest.fixture
def registry(config: BoxConfig) -> NodeRegistry:
    made = NodeRegistry(config, NoMetadata())
    made.create(NodeSpec("i-1", "10.213.8.4", "a", ()))
    return made


def test_waiting_ends_when_the_node_runs(registry: NodeRegistry) -> None:
    threading.Timer(0.02, registry.mark_running, ["i-1"]).start()
    registry.wait_running(["i-1"], 60)


def test_waiting_ends_at_once_when_a_node_has_failed(registry: NodeRegistry) -> None:
    threading.Timer(0.02, registry.remove, ["i-1", "no room"]).start()
    with pytest.raises(NodeError, match="no room"):
        registry.wait_running(["i-1"], 60)
    with pytest.raises(NodeError, match="no room"):
        registry.get("i-1")


def test_waiting_has_an_end(registry: NodeRegistry) -> None:
    with pytest.raises(NodeError, match="i-1"):
        registry.wait_running(["i-1"], 0.01)


def test_every_address_of_the_box_has_a_name(config: BoxConfig, tmp_path: Path) -> None:
    write_names(config, tmp_path / "etc/hosts")
    lines = (tmp_path / "etc/hosts").read_text().splitlines()
    names = {line.split()[1]: line.split()[0] for line in lines}
    assert names["aws.emrbox.internal"] == str(config.gateway) == "10.213.8.1"
    assert names[host_name("10.213.11.254")] == "10.213.11.254"
    assert len(lines) == 1 + 1022


def test_a_mac_follows_from_the_address() -> None:
    assert mac_address("10.213.8.4") == "02:00:0a:d5:08:04"
