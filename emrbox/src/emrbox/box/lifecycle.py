"""Start and end a box from outside."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import string
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox.box import machine, process, ssh_client, state
from emrbox.box.state import BoxState
from emrbox.client import Client
from emrbox.config import REGION, BoxConfig
from emrbox.errors import BoxError
from emrbox.images import catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.config import Images
    from emrbox.images.cache import Report

_READY_SECONDS = 60.0
_END_SECONDS = 60.0


def up(home: Path) -> BoxState:
    """Start the box unless it runs. Returns when its endpoint answers."""
    if not sys.platform.startswith("linux"):
        raise BoxError(f"emrbox needs Linux, this is {sys.platform}: use a Debian 12 virtual machine")
    if os.geteuid() != 0:
        if state.find_running(home) is None:
            catalog.find()  # the command would build what is missing, without a word to this program
        _by_command("up", home)
        return state.running(home)
    with state.locked(home):
        running = state.find_running(home)
        if running is None:
            if lost := state.strays(home):
                raise BoxError(
                    f"a box runs here (process {lost[0]}) whose box.json is missing: emrbox down ends it"
                )
            machine.check(home)
            images = catalog.find()
            state.clean(home)
            return _start(home, images)
        _wait_ready(home, running)
        return running


def build_missing_images(home: Path, report: Report) -> None:
    """Build what the first box of a user needs, minutes of work; nothing while a box runs."""
    if state.find_running(home) is not None or not catalog.missing():
        return
    home.mkdir(parents=True, exist_ok=True)
    machine.check(home)
    report("the images of nodes are built first; this is done once and takes some minutes")
    catalog.build(report)


def down(home: Path) -> bool:
    """End the box and remove what it made. Returns whether there was one."""
    was_running = state.find_running(home) is not None or bool(state.strays(home))
    if not was_running and not home.exists():
        return False
    if os.geteuid() != 0:
        _by_command("down", home)
        return was_running
    with state.locked(home):
        if running := state.find_running(home):
            _end(running)
        _end_strays(home)
        state.clean(home)
    return was_running


def _by_command(word: str, home: Path) -> None:
    """Run the command for a program of an ordinary user: it continues in a user namespace."""
    finished = subprocess.run(
        [sys.executable, "-m", "emrbox", word],
        env={**os.environ, "EMRBOX_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise BoxError(finished.stderr.strip().removeprefix("emrbox: "))


def _start(home: Path, images: Images) -> BoxState:
    with machine.listen(state.last_port(home)) as listening:
        pid, control = _launch(home, listening)
        with control:
            try:
                interface, network = machine.join_host(home, pid)
                port = listening.getsockname()[1]
                config = BoxConfig(home, port, network, *_new_keys(), images, bool(interface))
                started = BoxState(
                    pid=pid,
                    start_time=state.start_time(pid) or "",
                    boot_id=state.boot_id(),
                    endpoint=config.endpoint_url,
                    port=port,
                    network=str(network),
                    interface=interface,
                )
                _write_aws_config(config)
                ssh_client.write(home)
                state.save(home, started)
                control.sendall(process.to_json(config))
                listening.close()
                _wait_ready(home, started)
            except BaseException:
                _kill(pid)
                raise
    return started


def _launch(home: Path, listening: socket.socket) -> tuple[int, socket.socket]:
    """Start the box's first process. Returns its pid, and the socket where it waits for its configuration."""
    log = _log(home)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.rename(log.with_name("box.log.1"))  # it may say why the last box ended
    ours, theirs = socket.socketpair()
    inherited = (listening.fileno(), theirs.fileno())
    with theirs, log.open("wb") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-m", state.MODULE, *(str(number) for number in inherited), home],
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    with ours.makefile("rb") as messages:
        line = messages.readline()
    launcher.wait()
    if not line:
        ours.close()
        raise BoxError(f"the box did not start: {_last_lines(home)}")
    return int(line), ours


def _new_keys() -> tuple[str, str]:
    letters = string.ascii_uppercase + "234567"
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30)


def _write_aws_config(config: BoxConfig) -> None:
    file = config.aws_config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        "[profile emrbox]",
        f"aws_access_key_id = {config.admin_access_key_id}",
        f"aws_secret_access_key = {config.admin_secret_access_key}",
        f"region = {REGION}",
        f"endpoint_url = {config.endpoint_url}",
    ]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write("\n".join(lines) + "\n")
    (file.parent / "credentials").touch(0o600)


def _wait_ready(home: Path, running: BoxState) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while running.is_alive and time.monotonic() < deadline:
        if _is_ready(running):
            return
        time.sleep(0.02)
    raise BoxError(f"the box does not answer: {_last_lines(home)} (all of it: emrbox logs)")


def _is_ready(running: BoxState) -> bool:
    try:
        return bool(Client(running.endpoint, timeout_seconds=5).get("health") == {"healthy": True})
    except BoxError:
        return False


def _log(home: Path) -> Path:
    return home / "log" / "box.log"


def _last_lines(home: Path) -> str:
    with contextlib.suppress(OSError):
        lines = _log(home).read_text(errors="replace").strip().splitlines()
        return " | ".join(line.strip() for line in lines[-2:]) or "its log is empty"
    return "it has no log"


def _end(running: BoxState) -> None:
    # The kernel removes the network a moment after the last process.
    veth = Path("/sys/class/net", running.interface or "none")
    for number in (signal.SIGTERM, signal.SIGKILL):
        _kill(running.pid, number)
        if _becomes(lambda: not running.is_alive and not veth.exists()):
            return
    raise BoxError(f"the box's process {running.pid} does not end: see `ps -fp {running.pid}`")


def _end_strays(home: Path) -> None:
    for pid in state.strays(home):
        _kill(pid)
    if not _becomes(lambda: not state.strays(home)):
        raise BoxError(f"processes of the box do not end: {state.strays(home)}")


def _kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _becomes(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _END_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
