"""What the tests of logs share: a node that is this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kiln.diagnosis import node_logs
from kiln.diagnosis.ssh import Ssh
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    """A node that is this machine: `ssh` runs the script, `sudo -n` runs a command."""
    (tmp_path / "bin").mkdir()
    for name, text in {
        "ssh": 'for word; do :; done\nexec sh -c "$word"\n',
        "sudo": 'shift\nexec "$@"\n',
    }.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(node_logs, "STEPS_FOLDER", str(tmp_path / "steps"))
    monkeypatch.setattr(node_logs, "CONTAINERS_FOLDER", str(tmp_path / "containers"))
    return Ssh(
        user="hadoop", key_file="", known_hosts=KnownHosts(folder=tmp_path / "hosts", cluster_id="known")
    )
