"""The tunnel: its ports, its ssh process (a script in place of ssh), its pages."""

from __future__ import annotations

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from fakes import FakeAws, VirtualClock

from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.diagnosis import tunnel
from kiln.diagnosis.ssh import Ssh
from kiln.errors import PreflightError, UsageError
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Writes its process id and its options, then listens on the ports of its -L options.
LISTENS = """#!/usr/bin/env python3
import os, socket, sys, signal
forwards = [sys.argv[n + 1] for n, word in enumerate(sys.argv) if word == "-L"]
open(os.environ["SAID"], "w").write(f"{os.getpid()} {' '.join(sys.argv[1:])}")
kept = [socket.create_server(("127.0.0.1", int(one.split(":")[1]))) for one in forwards]
signal.pause()
"""
FAILS = """#!/bin/sh
echo 'Warning: first' >&2
echo 'hadoop@10.0.0.7: Permission denied (publickey).' >&2
exit 255
"""


@pytest.fixture
def ssh(tmp_path: Path) -> Ssh:
    return Ssh(
        user="hadoop", key_file="", known_hosts=KnownHosts(folder=tmp_path / "hosts", cluster_id="j-1")
    )


@pytest.fixture
def real_time() -> Context:
    return Context(aws=FakeAws(VirtualClock()), clock=SystemClock())


def in_place_of_ssh(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "bin").mkdir()
    (folder / "bin/ssh").write_text(text)
    (folder / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SAID", str(folder / "said"))
    return folder / "said"


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_tunnel_forwards_each_page_of_the_master_and_ends_with_its_block(
    ssh: Ssh, real_time: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = in_place_of_ssh(LISTENS, tmp_path, monkeypatch)
    # What listens here never answers.
    monkeypatch.setattr(tunnel, "_ANSWER_SECONDS", 0.1)
    ports = tunnel.local_ports(tunnel.PAGES)
    to = tunnel.Destination(ssh, "10.0.0.7", "10.0.0.8", tunnel.PAGES)
    with tunnel.opened(real_time, to, ports) as opened:
        opened.check()
        process, *words = said.read_text().split()
        assert is_alive(int(process))
        assert words[0] == "-N"
        assert "ExitOnForwardFailure=yes" in words
        forwards = [words[number + 1] for number, word in enumerate(words) if word == "-L"]
        assert forwards == [
            f"127.0.0.1:{port}:10.0.0.8:{page.port}" for page, port in zip(tunnel.PAGES, ports, strict=True)
        ]
        assert not any(map(tunnel.answers, ports))
    assert not is_alive(int(process))


def test_an_ssh_that_ends_is_an_error_with_its_last_line(
    ssh: Ssh, real_time: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place_of_ssh(FAILS, tmp_path, monkeypatch)
    to = tunnel.Destination(ssh, "10.0.0.7", "10.0.0.7", tunnel.PAGES)
    with (
        pytest.raises(PreflightError, match=r"exit code 255: hadoop@10.0.0.7: Permission denied") as error,
        tunnel.opened(real_time, to, tunnel.local_ports(tunnel.PAGES)),
    ):
        pytest.fail("it must not open")
    assert error.value.details == ("Warning: first",)


def test_ports_are_the_pages_own_ones_or_free_ones_or_those_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = int(taken.getsockname()[1])
        for first in (used, used - 2):
            with pytest.raises(UsageError, match=f"port {used} of this machine is in use"):
                tunnel.local_ports(tunnel.PAGES, first)
    assert len(set(tunnel.local_ports(tunnel.PAGES))) == len(tunnel.PAGES)


@pytest.fixture
def page() -> Iterator[int]:
    """A web server that refuses everything."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_any_answer_of_a_web_server_is_an_answer(page: int) -> None:
    assert tunnel.answers(page)
