"""What a node is made from, and its file tree: an overlay of its own on the layers of its image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emrbox import namespaces
from emrbox.nodes import files

if TYPE_CHECKING:
    from pathlib import Path

    from emrbox.config import BoxConfig

_LOGIN_USERS = ("ec2-user", "hadoop")
_INSTANCE = "/var/lib/cloud/instance"  # a link to the folder of the instance that this node is


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
    """Mount the tree at `folder`/root, with what cloud-init would write on a first boot."""
    root, upper, work = folder / "root", folder / "upper", folder / "work"
    for one in (root, upper, work):
        one.mkdir(parents=True, exist_ok=True)
    options = namespaces.overlay_options((config.box_layer, *spec.layers), upper, work)
    namespaces.mount("overlay", root, "overlay", namespaces.MS_NODEV, options)
    facts = {"address": spec.address, "host_name": spec.host_name}
    (folder / "node.json").write_text(json.dumps(facts) + "\n")
    files.write(root, "/etc/hostname", f"{spec.host_name}\n".encode(), "root", 0o644)
    if spec.authorized_key:
        _authorize(root, spec.authorized_key)
    _link_instance(root, spec)


def _authorize(root: Path, key: str) -> None:
    for user in _LOGIN_USERS:
        home = files.account(root, user)[2]
        files.make_folder(root, f"{home}/.ssh", user, 0o700)
        files.write(root, f"{home}/.ssh/authorized_keys", f"{key.strip()}\n".encode(), user, 0o600)


def _link_instance(root: Path, spec: NodeSpec) -> None:
    own = f"/var/lib/cloud/instances/{spec.instance_id}"
    files.make_folder(root, own, "root", 0o755)
    # An image of an instance has such a link, and links of its own above it must not lead out of the node.
    link = files.inside(root, "/var/lib/cloud") / "instance"
    link.unlink(missing_ok=True)
    link.symlink_to(own)
    if spec.user_data:
        files.write(root, f"{_INSTANCE}/user-data.txt", spec.user_data, "root", 0o600)
