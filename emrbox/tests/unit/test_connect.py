from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from emrbox import namespaces
from emrbox.box import state
from emrbox.commands import cli, connect
from emrbox.errors import BoxError

if TYPE_CHECKING:
    from pathlib import Path


def box_of_this_process(home: Path, interface: str = "emrbox1") -> None:
    started = state.start_time(os.getpid())
    assert started is not None
    state.save(
        home, state.BoxState(os.getpid(), started, state.boot_id(), "http://x", 1, "127.0.0.0/22", interface)
    )


def test_both_directions_are_copied_until_the_node_closes() -> None:
    ours, nodes = socket.socketpair()
    reading, keyboard = os.pipe()
    screen, writing = os.pipe()
    relay = threading.Thread(target=connect._relay, args=(ours, reading, writing))
    relay.start()
    with closing(nodes), closing(ours):
        os.write(keyboard, b"question")
        assert nodes.recv(100) == b"question"
        os.close(keyboard)
        assert nodes.recv(100) == b""
        answer = os.urandom(1_000_000)

        def send() -> None:
            nodes.sendall(answer)
            nodes.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = b""
        while len(got) < len(answer):
            got += os.read(screen, 100_000)
        relay.join(60)
        sender.join(60)
        assert not relay.is_alive()
        assert got == answer
    for descriptor in (reading, screen, writing):
        os.close(descriptor)


def test_a_port_that_is_closed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMRBOX_HOME", str(tmp_path))
    assert cli.main(["connect", "127.0.0.1", "1"]) == 1
    assert capsys.readouterr().err == "emrbox: not running: emrbox up\n"
    box_of_this_process(tmp_path)
    assert cli.main(["connect", "127.0.0.1", "1"]) == 1
    assert capsys.readouterr().err == "emrbox: 127.0.0.1 port 1: Connection refused\n"


@pytest.mark.parametrize("name", ["ip-127-0-0-1", "ip-127-0-0-1.ec2.internal"])
def test_a_node_is_found_by_its_name_too(tmp_path: Path, name: str) -> None:
    box_of_this_process(tmp_path)
    with pytest.raises(BoxError, match="refused"):
        connect.connect(tmp_path, name, 1)


def test_a_box_without_a_veth_is_stepped_into_and_the_host_has_its_own_address_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box_of_this_process(tmp_path, interface="")
    joined: list[object] = []
    monkeypatch.setattr(namespaces, "join", lambda *where: joined.append(where))
    peers: list[str] = []
    monkeypatch.setattr(connect, "_relay", lambda made, *_: peers.append(made.getsockname()[0]))
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect.connect(tmp_path, "127.0.0.1", server.getsockname()[1])
    assert joined == [(os.getpid(), ("user", "net"))]
    assert peers == ["127.0.0.2"]  # of the box's network, and not the gateway's


def test_without_root_and_uidmap_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert cli.main(["up"]) == 1
    assert "uidmap" in capsys.readouterr().err


def test_without_root_the_command_goes_on_in_a_user_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(os, "environ", dict(os.environ))

    class Probe:
        returncode = 0

    def execute(_program: str, argv: list[str]) -> None:
        ran.append(argv)
        raise SystemExit

    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: Probe())
    monkeypatch.setattr(os, "execvp", execute)
    with pytest.raises(SystemExit):
        cli.main(["images", "prune"])
    assert ran[0][:4] == ["unshare", "--user", "--map-root-user", "--map-auto"]
    assert ran[0][-3:] == ["emrbox", "images", "prune"]
