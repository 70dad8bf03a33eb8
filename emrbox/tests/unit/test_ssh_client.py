"""ssh and scp as the shell of `emrbox env` finds them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from emrbox.box import ssh_client, state
from emrbox.commands.environment import shell_lines

if TYPE_CHECKING:
    from pathlib import Path

NODE = "ip-10-213-8-4.ec2.internal"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "a box's 50% home"
    home.mkdir()
    ssh_client.write(home)
    started = state.start_time(os.getpid())
    assert started is not None
    state.save(
        home, state.BoxState(os.getpid(), started, state.boot_id(), "http://x:1", 1, "10.0.0.0/22", "")
    )
    return home


def in_shell(home: Path, command: str, path: str = os.environ["PATH"]) -> str:
    """What a command says in a shell that has eval'ed `emrbox env` twice."""
    lines = "\n".join(shell_lines(home, {"PATH": path}))
    script = f"{lines}\n{lines}\n{command}"
    environment = {"PATH": path, "HOME": str(home)}
    return subprocess.run(
        ["sh", "-euc", script], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_nodes_are_reached_through_the_box_and_other_hosts_as_before(home: Path) -> None:
    of_node = in_shell(home, f"ssh -G {NODE}")
    assert "-m emrbox connect %h %p" in of_node
    assert f"{home}/ssh/known_hosts" in of_node.replace("%%", "%")
    assert "proxycommand" not in in_shell(home, "ssh -G elsewhere")


def test_the_real_programs_are_called_with_the_boxs_configuration(home: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    for program in ("ssh", "scp"):
        (real / program).write_text('#!/bin/sh\nprintf "%s|" "$0" "$@"\n')
        (real / program).chmod(0o755)
        said = in_shell(home, f"{program} -i key 'two words'", path=f"{real}:{os.environ['PATH']}")
        assert said == f"{real}/{program}|-F|{home}/ssh/config|-i|key|two words|"


def test_a_new_box_forgets_the_host_keys_of_the_last_one(home: Path) -> None:
    known = home / "ssh/known_hosts"
    known.write_text("old")
    ssh_client.write(home)
    assert not known.exists()


def test_the_folder_is_put_on_the_path_once(home: Path) -> None:
    path = f"{ssh_client.folder_of(home)}:/usr/bin"
    assert not [line for line in shell_lines(home, {"PATH": path}) if line.startswith("export PATH")]
