"""Amazon machine images as overlay layers: emrbox's own, and those that CreateImage makes from nodes.

A snapshot stands for the layers, an image refers to its root snapshot, as on EC2: copies and registered
images share layers. A layer is removed when no image, no snapshot and no node needs it any more.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import InvalidSnapshotIdError
from moto.ec2.models.amis import Ami

from emrbox.config import BASE_IMAGE_NAME, BoxConfig, image_id
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from emrbox.nodes.node import Node

# AL2023's images belong to this account of Amazon's; owner "amazon" finds them.
_AMAZON_ACCOUNT = "137112412989"
# cloud-init makes these anew on every instance.
_OF_ONE_INSTANCE = ("/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/hostname")

_releases_by_token: dict[str, str] = {}


def expect_release(client_token: str, label: str) -> None:
    """Add a release's software to the image of the launch with this token, as EMR installs it."""
    _releases_by_token[client_token] = label


class ImageLayers:
    """The layers of AMIs."""

    def __init__(self, config: BoxConfig, backend: Any) -> None:
        self._config = config
        self._backend = backend
        self._layers: dict[str, tuple[Path, ...]] = {}  # by id of an image, and of a snapshot
        for name in (BASE_IMAGE_NAME, *config.images.releases):
            self._register(name)

    def _register(self, name: str) -> None:
        ami_id = image_id(name)
        self._backend.amis[ami_id] = Ami(
            self._backend,
            ami_id,
            name=name,
            description=f"{name}, made by emrbox",
            owner_id=_AMAZON_ACCOUNT,
            owner_alias="amazon",
            public=True,
            virtualization_type="hvm",
            architecture="x86_64",
            image_location=f"amazon/{name}",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name="/dev/xvda",
        )
        self._layers[ami_id] = self._config.images.layers(name)

    def knows(self, ami_id: str) -> bool:
        """Return whether nodes can be made from this image."""
        return ami_id in self._layers

    def of_launch(self, ami_id: str, client_token: str | None) -> tuple[Path, ...]:
        """Return the layers of a new instance. An image of an EMR node has its release's layer already."""
        layers = self.of(ami_id)
        label = _releases_by_token.get(client_token or "")
        if label is None or set(self._config.images.releases[label]) <= set(layers):
            return layers
        return (*self._config.images.releases[label], *layers)

    def of(self, ami_id: str) -> tuple[Path, ...]:
        """Return an image's layers, topmost first; KeyError for an image that emrbox did not make."""
        return self._layers[ami_id]

    def save(self, ami: Ami, node: Node) -> None:
        """Make `ami` from what the node's files differ from its own image; `pending` until that is copied."""
        layer = self._folder / ami.id
        ami.state = "pending"
        self._layers[ami.id] = self._layers[ami.ebs_snapshot.id] = (layer, *node.spec.layers)

        def copy() -> None:
            try:
                layer.parent.mkdir(parents=True, exist_ok=True)
                _copy(node.folder / "upper", layer)
                for name in _OF_ONE_INSTANCE:
                    Tree(layer).remove(name)
                ami.state = "available"
            except (OSError, subprocess.SubprocessError):
                ami.state = "failed"

        threading.Thread(target=copy, name=ami.id, daemon=True).start()

    def copy(self, ami: Ami, source_id: str) -> None:
        """Let a copy have the layers of its source; KeyError for an image that emrbox did not make."""
        self._layers[ami.id] = self._layers[ami.ebs_snapshot.id] = self._layers[source_id]

    def register(self, ami: Ami, snapshot_id: str) -> None:
        """Let a new image have the files of a snapshot; InvalidSnapshotIdError for one of another volume."""
        if snapshot_id not in self._layers:
            raise InvalidSnapshotIdError
        self._layers[ami.id] = self._layers[snapshot_id]

    def forget(self, image_or_snapshot_id: str, in_use: Collection[Path]) -> None:
        """Drop an image or a snapshot, and the layers below the box's folder that nothing needs any more.

        `in_use` are the layers of nodes.
        """
        dropped = self._layers.pop(image_or_snapshot_id, ())
        needed = {layer for layers in self._layers.values() for layer in layers}.union(in_use)
        for layer in dropped:
            if layer.parent == self._folder and layer not in needed:
                shutil.rmtree(layer, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        return self._config.home / "images"


def _copy(upper: Path, layer: Path) -> None:
    """Copy the files of a node that may change them meanwhile: tar follows no link, on whatever level.

    It keeps what an overlay needs: whiteouts and extended attributes.
    """
    layer.mkdir()
    attributes = ("--xattrs", "--xattrs-include=*")
    pack = ["tar", "--create", "--sparse", *attributes, f"--directory={upper}", "."]
    unpack = ["tar", "--extract", "--preserve-permissions", "--same-owner", "--numeric-owner", *attributes]
    with subprocess.Popen(pack, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packing:
        subprocess.run(
            [*unpack, f"--directory={layer}"], stdin=packing.stdout, check=True, capture_output=True
        )
    if packing.returncode > 1:  # 1: a file has changed or was removed while it was read
        raise OSError(f"tar ended with {packing.returncode}")
