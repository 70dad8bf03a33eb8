from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.logs import Ssh

if TYPE_CHECKING:
    from pathlib import Path


def test_nodes_are_reached_directly_or_by_the_command_that_is_set(tmp_path: Path) -> None:
    direct = Ssh(user="hadoop", key_file="", known_hosts=tmp_path)
    assert "ProxyCommand=none" in direct.command("10.0.0.1")
    jump = Ssh(user="hadoop", key_file="", known_hosts=tmp_path, proxy_command="ssh -W %h:%p bastion")
    command = jump.command("10.0.0.1", "true")
    assert "ProxyCommand=ssh -W %h:%p bastion" in command
    assert command[-2:] == ["hadoop@10.0.0.1", "true"]
