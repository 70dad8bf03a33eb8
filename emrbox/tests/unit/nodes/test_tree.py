from __future__ import annotations

import os
from typing import TYPE_CHECKING

from emrbox.nodes import tree
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from pathlib import Path


def test_links_of_an_image_do_not_lead_out_of_it(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "var/lib").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(f"root:x:{os.getuid()}:{os.getgid()}::/root:/bin/sh\n")
    outside.mkdir()
    (outside / "instance").write_text("kept")
    (root / "var/lib/cloud").symlink_to(outside)
    (root / "etc/hostname").symlink_to(outside / "instance")
    spec = tree.NodeSpec("i-1", "10.213.8.4", "ip-10-213-8-4.ec2.internal", (), user_data=b"#!/bin/sh")
    tree.write_first_files(Tree(root), spec)
    assert (outside / "instance").read_text() == "kept"
    assert [file.name for file in outside.iterdir()] == ["instance"]
    assert Tree(root).read("/var/lib/cloud/instance/user-data.txt") == b"#!/bin/sh"
    assert (root / "etc/hostname").read_text() == "ip-10-213-8-4.ec2.internal\n"
