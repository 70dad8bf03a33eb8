"""What a node is made from, and its file tree: an overlay of its own on the layers of its image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emrbox import namespaces
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from emrbox.config import BoxConfig

_LOGIN_USERS = ("ec2-user", "hadoop")


@dataclass(frozen=True)
class NodeSpec:
    """What a node is made from. `layers` are overlay layers, topmost first."""

    instance_id: str
    address: str
    host_name: str
    layers: tuple[Path, ...]
    authorized_key: str | None = None
    user_data: bytes | None = None
    role_name: str | None = None


def make(spec: NodeSpec, folder: Path, config: BoxConfig) -> None:
    """Mount the tree at `folder`/root, with its first files."""
    root, upper, work = folder / "root", folder / "upper", folder / "work"
    for one in (root, upper, work):
        one.mkdir(parents=True, exist_ok=True)
    options = namespaces.overlay_options((config.box_layer, *spec.layers), upper, work)
    namespaces.mount("overlay", root, "overlay", namespaces.MS_NODEV, options)
    facts = {"address": spec.address, "host_name": spec.host_name}
    (folder / "node.json").write_text(json.dumps(facts) + "\n")
    write_first_files(Tree(root), spec)


def write_first_files(tree: Tree, spec: NodeSpec) -> None:
    """Write what cloud-init would write on a first boot. The image may have been made from a node."""
    tree.write("/etc/hostname", f"{spec.host_name}\n".encode())
    if spec.authorized_key:
        _authorize(tree, spec.authorized_key)
    own = f"/var/lib/cloud/instances/{spec.instance_id}"
    tree.make_folder(own)
    tree.link("/var/lib/cloud/instance", own)
    if spec.user_data:
        tree.write(f"{own}/user-data.txt", spec.user_data, mode=0o600)


def _authorize(tree: Tree, key: str) -> None:
    for user in _LOGIN_USERS:
        home = tree.account(user)[2]
        tree.make_folder(f"{home}/.ssh", user, 0o700)
        tree.write(f"{home}/.ssh/authorized_keys", f"{key.strip()}\n".encode(), owner=user, mode=0o600)
