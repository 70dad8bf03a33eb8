"""What a box takes from its host: namespaces, disk space, a port, and a network that is not in use."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import socket
import subprocess
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from emrbox.config import host_address
from emrbox.errors import BoxError
from emrbox.nodes import network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST_PORT = 4566
_PORTS = 200
_ALL_NETWORKS = IPv4Network("10.213.0.0/16")
_NEEDED_GB = 2


def check(home: Path) -> None:
    """Raise BoxError when a box cannot run here."""
    if said := _fails(["unshare", "--mount", "--net", "--pid", "--fork", "true"]):
        raise BoxError(
            f"this machine does not allow namespaces ({said}): a container without CAP_SYS_ADMIN? Use a VM"
        )
    if shutil.which("nft", path=network.programs()["PATH"]) is None:
        raise BoxError("nft is not here, by which nodes have security groups: apt-get install nftables")
    if said := _fails(["unshare", "--net", "nft", "list", "ruleset"]):
        raise BoxError(f"this machine's kernel has no nftables ({said}), and nodes need security groups")
    free_gb = shutil.disk_usage(home).free / 1e9
    if free_gb < _NEEDED_GB:
        raise BoxError(
            f"only {free_gb:.1f} GB free below {home}, {_NEEDED_GB} GB are needed: set EMRBOX_HOME"
        )


def _fails(argv: list[str]) -> str:
    """Return what a program says when it fails, else an empty string."""
    tried = subprocess.run(argv, capture_output=True, check=False, env=network.programs())
    return tried.stderr.decode(errors="replace").strip() or str(argv) if tried.returncode else ""


def listen(preferred: int | None = None) -> socket.socket:
    """Listen on `preferred` of 127.0.0.1, or on the first free port from FIRST_PORT on."""
    for port in (*([preferred] if preferred else []), *range(FIRST_PORT, FIRST_PORT + _PORTS)):
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


def join_host(home: Path, pid: int) -> tuple[str, IPv4Network]:
    """Make the veth between the host and the box, in a network that the host does not use yet.

    Two boxes that choose the same number at the same time: the interface's name decides.
    """
    taken = _host_networks()
    for number, candidate in candidates(home):
        interface = f"emrbox{number}"
        if any(candidate.overlaps(other) for other in taken):
            continue
        try:
            network.ip([f"link add {interface} type veth peer name {network.HOST_VETH} netns {pid}"])
        except BoxError as problem:
            if "File exists" in str(problem):
                continue
            if "not permitted" in str(problem):
                return "", candidate  # an ordinary user: only the box itself reaches the nodes
            raise
        network.ip(
            [
                f"addr add {host_address(candidate)}/{candidate.prefixlen} dev {interface}",
                f"link set {interface} up",
            ]
        )
        return interface, candidate
    raise BoxError(f"no free /22 in {_ALL_NETWORKS}: this machine has routes or addresses in all of them")


def candidates(home: Path) -> Iterator[tuple[int, IPv4Network]]:
    """Give all networks, first the one that belongs to this path: a box keeps its addresses if it can."""
    networks = list(_ALL_NETWORKS.subnets(new_prefix=22))
    first = int.from_bytes(hashlib.sha256(str(home).encode()).digest()[:4], "big")
    for step in range(len(networks)):
        number = (first + step) % len(networks)
        yield number, networks[number]


def _host_networks() -> list[IPv4Network]:
    found = []
    for what in (["addr"], ["route", "show", "table", "all"]):
        text = subprocess.run(
            ["ip", "-json", "-4", *what], capture_output=True, check=True, env=network.programs()
        ).stdout
        for entry in json.loads(text or b"[]"):
            names = [f"{a['local']}/{a['prefixlen']}" for a in entry.get("addr_info", [])]
            names += [entry["dst"]] if entry.get("dst", "default") != "default" else []
            found += [IPv4Network(name, strict=False) for name in names]
    return found
