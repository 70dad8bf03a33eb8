from __future__ import annotations

import os
from typing import TYPE_CHECKING

from emrbox.nodes import files, tree

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_links_of_an_image_do_not_lead_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "account", lambda *_: (os.getuid(), os.getgid(), "/root"))
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "var/lib").mkdir(parents=True)
    outside.mkdir()
    (outside / "instance").write_text("kept")
    (root / "var/lib/cloud").symlink_to(outside)
    spec = tree.NodeSpec("i-1", "10.213.8.4", "ip-10-213-8-4.ec2.internal", (), user_data=b"#!/bin/sh")
    tree._link_instance(root, spec)
    assert (outside / "instance").read_text() == "kept"
    written = files.inside(root, "/var/lib/cloud/instance/user-data.txt")
    assert written.is_relative_to(root)
    assert written.read_bytes() == b"#!/bin/sh"
