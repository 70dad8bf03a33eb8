"""An image is made from files that a node may change meanwhile, and of which links may lead to the host."""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from moto.ec2.models import ec2_backends
from waiting import wait_until

from emrbox.aws.images import ImageLayers
from emrbox.config import ACCOUNT_ID, REGION, BoxConfig, Images

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("empty_moto")


def saved(folder: Path) -> Path:
    """Make an image from `folder`/upper; returns its layer."""
    images = Images(folder / "base", {}, folder)
    config = BoxConfig(folder, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)
    layers = ImageLayers(config, ec2_backends[ACCOUNT_ID][REGION])
    ami: Any = SimpleNamespace(id="ami-1", state="", ebs_snapshot=SimpleNamespace(id="snap-1"))
    node: Any = SimpleNamespace(folder=folder, spec=SimpleNamespace(layers=()))
    layers.save(ami, node)
    wait_until(lambda: ami.state != "pending")
    assert ami.state == "available"
    return folder / "images/ami-1"


def test_an_image_has_the_node_s_files_but_those_of_one_instance(tmp_path: Path) -> None:
    etc = tmp_path / "upper/etc"
    etc.mkdir(parents=True)
    etc.chmod(0o750)
    (etc / "hostname").write_text("ip-1")
    (etc / "kept").write_text("kept")
    os.link(etc / "kept", etc / "twin")
    os.mkfifo(etc / "pipe")
    layer = saved(tmp_path)
    assert sorted(file.name for file in (layer / "etc").iterdir()) == ["kept", "pipe", "twin"]
    assert (layer / "etc").stat().st_mode & 0o777 == 0o750
    assert (layer / "etc/twin").samefile(layer / "etc/kept")


def test_links_of_a_node_reach_nothing_of_the_host(tmp_path: Path) -> None:
    host = tmp_path / "host"
    (host / "ssh").mkdir(parents=True)
    for name in ("hostname", "ssh/ssh_host_ed25519_key"):
        (host / name).write_text("of the host")
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/etc").symlink_to(host)
    layer = saved(tmp_path)
    assert (layer / "etc").is_symlink()
    assert (host / "hostname").read_text() == "of the host"
    assert (host / "ssh/ssh_host_ed25519_key").exists()


def test_a_layer_stays_until_no_image_no_snapshot_and_no_node_needs_it(tmp_path: Path) -> None:
    images = Images(tmp_path / "base", {}, tmp_path)
    config = BoxConfig(tmp_path, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)
    layers = ImageLayers(config, ec2_backends[ACCOUNT_ID][REGION])
    (tmp_path / "upper").mkdir()
    first, copy = (
        SimpleNamespace(id=f"ami-{name}", state="", ebs_snapshot=SimpleNamespace(id=f"snap-{name}"))
        for name in ("first", "copy")
    )
    node: Any = SimpleNamespace(folder=tmp_path, spec=SimpleNamespace(layers=(tmp_path / "base",)))
    layers.save(first, node)
    wait_until(lambda: first.state == "available")
    layers.copy(copy, first.id)
    layer = layers.of(copy.id)[0]
    for dropped in (first.id, first.ebs_snapshot.id, copy.id):
        layers.forget(dropped, in_use=())
        assert layer.exists(), dropped
    layers.forget(copy.ebs_snapshot.id, in_use=[layer])
    assert layer.exists()


def test_the_layer_of_the_last_snapshot_is_removed_and_the_base_never(tmp_path: Path) -> None:
    images = Images(tmp_path / "base", {}, tmp_path)
    config = BoxConfig(tmp_path, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)
    layers = ImageLayers(config, ec2_backends[ACCOUNT_ID][REGION])
    for name in ("base", "upper"):
        (tmp_path / name).mkdir()
    node: Any = SimpleNamespace(folder=tmp_path, spec=SimpleNamespace(layers=(tmp_path / "base",)))
    ami: Any = SimpleNamespace(id="ami-2", state="", ebs_snapshot=SimpleNamespace(id="snap-2"))
    layers.save(ami, node)
    wait_until(lambda: ami.state == "available")
    layers.forget("ami-2", in_use=())
    layers.forget("snap-2", in_use=())
    assert not (tmp_path / "images/ami-2").exists()
    assert (tmp_path / "base").exists()
