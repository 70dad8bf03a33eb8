"""What people read when the host keys of nodes cannot be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kiln.ansible_modules import host_keys, target_nodes
from kiln.errors import PreflightError

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "10.0.0.1"
NODE = {"ec2_instance_id": "i-00000001", "state": "RUNNING", "group": "CORE", "private_ip_address": ADDRESS}
CLUSTER = {"id": "j-1", "instances": [NODE]}
ACCOUNT = target_nodes.Account.of({"region": "us-east-1"})


def test_a_known_hosts_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "j-1").mkdir()
    with pytest.raises(PreflightError, match=f"{tmp_path}/j-1: host keys cannot be kept there"):
        target_nodes.prepared(CLUSTER, (), [], tmp_path, ACCOUNT)


def test_so_it_is_for_a_plain_instance(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    with pytest.raises(PreflightError, match=f"{tmp_path}/local: host keys cannot be kept there"):
        host_keys.pinned(tmp_path / "local", "i-1", ADDRESS, ACCOUNT)
