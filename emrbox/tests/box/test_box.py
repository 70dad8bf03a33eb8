"""Starting and ending boxes, and that nothing of one is left, however it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from waiting import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.box


def processes_of(home: Path) -> list[str]:
    """Return command lines of the processes that see a mount of this box: all of them, nodes' included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"{home}/" in (entry / "mountinfo").read_text():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found


def interfaces_of(home: Path) -> list[str]:
    """Return the host's interfaces that this box has made; other boxes come and go as they like."""
    state = home / "box.json"
    made = {json.loads(state.read_text())["interface"]} if state.exists() else set()
    return sorted(made & {entry.name for entry in Path("/sys/class/net").iterdir()})


def traces(home: Path) -> dict[str, Any]:
    return {
        "processes": processes_of(home),
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if f"{home}/" in line],
        "interfaces": interfaces_of(home),
    }


def wait_until_gone(home: Path, before: dict[str, Any]) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while (left := traces(home)) != before:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_up_is_idempotent_and_down_leaves_nothing(make_box: Callable[[], Any]) -> None:
    box = make_box()
    before = traces(box.home)
    assert box.command("status").returncode == 3
    box.up()
    first = box.pid()
    box.up()
    assert box.pid() == first
    box.launch()
    assert processes_of(box.home)
    assert box.command("down").returncode == 0
    wait_until_gone(box.home, before)
    assert not (box.home / "nodes").exists()
    assert box.command("down").stdout == "emrbox: was not running\n"


def test_the_next_box_has_the_port_of_the_last(make_box: Callable[[], Any]) -> None:
    box, other = make_box(), make_box()
    box.up()
    endpoint = box.environment["AWS_ENDPOINT_URL"]
    box.command("down")
    box.up()
    assert box.environment["AWS_ENDPOINT_URL"] == endpoint
    box.command("down")
    with socket.create_server(("127.0.0.1", int(endpoint.rpartition(":")[2]))):
        box.up()
    assert box.environment["AWS_ENDPOINT_URL"] != endpoint
    other.up()
    assert other.environment["AWS_ENDPOINT_URL"] != box.environment["AWS_ENDPOINT_URL"]


def test_a_killed_box_leaves_nothing_and_the_next_one_starts(make_box: Callable[[], Any]) -> None:
    box = make_box()
    before = traces(box.home)
    box.up()
    box.launch(2)
    os.kill(box.pid(), signal.SIGKILL)
    wait_until_gone(box.home, before)
    assert box.status()["running"] is False
    box.up()
    assert box.status()["instances"] == []


def test_a_killed_server_takes_the_whole_box_with_it(make_box: Callable[[], Any]) -> None:
    box = make_box()
    before = traces(box.home)
    box.up()
    box.launch()
    first = box.pid()
    server = int(Path(f"/proc/{first}/task/{first}/children").read_text().split()[0])
    os.kill(server, signal.SIGKILL)
    wait_until_gone(box.home, before)


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 1.0])
def test_up_can_be_killed_at_any_moment(make_box: Callable[[], Any], seconds: float) -> None:
    box = make_box()
    before = traces(box.home)
    environment = {**os.environ, "EMRBOX_HOME": str(box.home)}
    starting = subprocess.Popen([sys.executable, "-m", "emrbox", "up"], env=environment)
    time.sleep(seconds)
    starting.kill()
    starting.wait()
    box.up()
    assert box.status()["running"] is True
    box.command("down")
    wait_until_gone(box.home, before)


def test_two_ups_at_once_make_one_box(make_box: Callable[[], Any]) -> None:
    box = make_box()
    environment = {**os.environ, "EMRBOX_HOME": str(box.home)}
    argv = [sys.executable, "-m", "emrbox", "up"]
    both = [subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=HANG_SECONDS)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]


def test_two_boxes_do_not_meet(make_box: Callable[[], Any]) -> None:
    one, other = make_box(), make_box()
    one.up()
    other.up()
    assert one.status()["endpoint"] != other.status()["endpoint"]
    assert one.status()["network"] != other.status()["network"]
    [here], [there] = one.launch(), other.launch()
    other.open_ports("default", 22, cidr="0.0.0.0/0")  # it is not the security group that keeps them apart
    assert one.ssh(here, "hostname") != other.ssh(there, "hostname")
    reached = one.ssh(
        here, f"timeout 2 bash -c '</dev/tcp/{there['PrivateIpAddress']}/22' && echo yes || echo no"
    )
    assert reached == "no\n"
    other.command("down")
    assert one.ssh(here, "echo still here") == "still here\n"


def test_a_command_that_needs_a_box_says_how_to_start_one(make_box: Callable[[], Any]) -> None:
    result = make_box().command("env")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "emrbox: not running: emrbox up\n"
