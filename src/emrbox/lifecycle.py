"""Start and end a box from outside."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox import box, state
from emrbox.config import REGION, BoxConfig, Images
from emrbox.errors import BoxError
from emrbox.images import catalog
from emrbox.nodes import network
from emrbox.state import BoxState

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PORT = 4566
_PORTS = 200
_ALL_NETWORKS = IPv4Network("10.213.0.0/16")
_READY_SECONDS = 60.0
_END_SECONDS = 15.0
_NEEDED_GB = 2


def up(home: Path) -> BoxState:
    """Start the box, or find it started. Returns when its endpoint answers."""
    if not sys.platform.startswith("linux"):
        raise BoxError(f"emrbox needs Linux, this is {sys.platform}: use a Debian 12 virtual machine")
    if os.geteuid() != 0:
        _by_command("up", home)
        started = state.load(home)
        if started is None:
            raise BoxError("the box has ended at once: emrbox logs")
        return started
    with state.locked(home):
        running = state.load(home)
        if running is not None and running.is_alive:
            _wait_ready(home, running)
            return running
        _check_machine(home)
        images = catalog.find()
        state.clean(home)
        return _start(home, images)


def _by_command(word: str, home: Path) -> None:
    """Let the command do it for a program of an ordinary user: it goes on in a user namespace."""
    finished = subprocess.run(
        [sys.executable, "-m", "emrbox", word],
        env={**os.environ, "EMRBOX_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise BoxError(finished.stderr.strip().removeprefix("emrbox: "))


def _check_machine(home: Path) -> None:
    probe = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    if probe.returncode:
        said = probe.stderr.decode(errors="replace").strip()
        raise BoxError(
            f"this machine makes no namespaces ({said}): a container without CAP_SYS_ADMIN? Use a VM"
        )
    free_gb = shutil.disk_usage(home).free / 1e9
    if free_gb < _NEEDED_GB:
        raise BoxError(
            f"only {free_gb:.1f} GB free below {home}, {_NEEDED_GB} GB are needed: set EMRBOX_HOME"
        )


def _start(home: Path, images: Images) -> BoxState:
    listening = _listen()
    port = listening.getsockname()[1]
    log = home / "log" / "box.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    pid = 0
    with listening, contextlib.ExitStack() as streams:
        ours, theirs = socket.socketpair()
        streams.enter_context(ours)
        with theirs, log.open("wb") as output:
            inherited = (listening.fileno(), theirs.fileno())
            launcher = subprocess.Popen(
                [sys.executable, "-m", "emrbox.box", *(str(number) for number in inherited)],
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )
        line = streams.enter_context(ours.makefile("rb")).readline()
        launcher.wait()
        if not line:
            raise BoxError(f"the box did not start: {_last_lines(home)}")
        pid = int(line)
        try:
            interface, networks = _join_host(home, pid)
            config = BoxConfig(home, port, networks, *_new_keys(), images, bool(interface))
            started = BoxState(
                pid=pid,
                start_time=state.start_time(pid) or "",
                boot_id=state.boot_id(),
                endpoint=config.endpoint_url,
                port=port,
                network=str(networks),
                interface=interface,
            )
            _write_aws_config(config)
            state.save(home, started)
            ours.sendall(box.to_json(config))
            listening.close()
            _wait_ready(home, started)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
    return started


def _listen() -> socket.socket:
    """Listen on the first free port of 127.0.0.1 from FIRST_PORT on."""
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen(256)
        except OSError as problem:
            listening.close()
            if problem.errno != errno.EADDRINUSE:
                raise
        else:
            return listening
    raise BoxError(
        f"no free port between {FIRST_PORT} and {FIRST_PORT + _PORTS - 1}: end a box with `emrbox down`"
    )


def _join_host(home: Path, pid: int) -> tuple[str, IPv4Network]:
    """Make the veth between the host and the box, in a network that the host does not use yet.

    Two boxes that choose the same number at the same time: the interface's name decides.
    """
    taken = _host_networks()
    for number, candidate in _candidates(home):
        interface = f"emrbox{number}"
        if any(candidate.overlaps(other) for other in taken):
            continue
        try:
            network.ip([f"link add {interface} type veth peer name {network.HOST_VETH} netns {pid}"])
        except BoxError as problem:
            if "File exists" in str(problem):
                continue
            if "not permitted" in str(problem):
                return "", candidate  # an ordinary user: nobody but the box itself reaches the nodes
            raise
        network.ip(
            [f"addr add {candidate[2]}/{candidate.prefixlen} dev {interface}", f"link set {interface} up"]
        )
        return interface, candidate
    raise BoxError(f"no free /22 in {_ALL_NETWORKS}: this machine has routes or addresses in all of them")


def _candidates(home: Path) -> Iterator[tuple[int, IPv4Network]]:
    """Give all networks, first the one that belongs to this path: a box keeps its addresses if it can."""
    networks = list(_ALL_NETWORKS.subnets(new_prefix=22))
    first = int.from_bytes(hashlib.sha256(str(home).encode()).digest()[:4], "big")
    for step in range(len(networks)):
        number = (first + step) % len(networks)
        yield number, networks[number]


def _host_networks() -> list[IPv4Network]:
    environment = {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    found = []
    for what in (["addr"], ["route", "show", "table", "all"]):
        text = subprocess.run(
            ["ip", "-json", "-4", *what], capture_output=True, check=True, env=environment
        ).stdout
        for entry in json.loads(text or b"[]"):
            names = [f"{a['local']}/{a['prefixlen']}" for a in entry.get("addr_info", [])]
            names += [entry["dst"]] if entry.get("dst", "default") != "default" else []
            found += [IPv4Network(name, strict=False) for name in names]
    return found


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


def is_ready(running: BoxState) -> bool:
    """Return whether the endpoint answers."""
    import http.client  # noqa: PLC0415  # only `up` and `status` need it

    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    try:
        connection.request("GET", "/_emrbox/health")
        return connection.getresponse().status == 200  # noqa: PLR2004  # HTTP's OK
    except OSError:
        return False
    finally:
        connection.close()


def _wait_ready(home: Path, running: BoxState) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while running.is_alive and time.monotonic() < deadline:
        if is_ready(running):
            return
        time.sleep(0.02)
    raise BoxError(f"the box does not answer: {_last_lines(home)} (all of it: emrbox logs)")


def _last_lines(home: Path) -> str:
    with contextlib.suppress(OSError):
        lines = (home / "log" / "box.log").read_text(errors="replace").strip().splitlines()
        return " | ".join(line.strip() for line in lines[-2:]) or "its log is empty"
    return "it has no log"


def down(home: Path) -> bool:
    """End the box and remove what it made. Returns whether there was one."""
    if os.geteuid() != 0:
        running = state.load(home)
        was_alive = running is not None and running.is_alive
        _by_command("down", home)
        return was_alive
    with state.locked(home):
        running = state.load(home)
        was_alive = running is not None and running.is_alive
        if running is not None and was_alive:
            _end(running)
        state.clean(home)
    return was_alive


def _end(running: BoxState) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, number)
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            # The kernel takes the network apart a moment after the last process.
            veth = Path("/sys/class/net", running.interface or "none")
            if not running.is_alive and not veth.exists():
                return
            time.sleep(0.01)
    raise BoxError(f"the box's process {running.pid} does not end: look at it with `ps -fp {running.pid}`")
