"""The box's network: one bridge, a veth pair for each node, one for the host, and names in a file."""

from __future__ import annotations

import contextlib
import os
import subprocess
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from emrbox.config import AWS_HOST_NAME, REPOSITORY_HOST_NAME, BoxConfig
from emrbox.errors import BoxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

BRIDGE = "br0"
HOST_VETH = "host0"  # the host's veth, as the box names its own end
METADATA_ADDRESS = "169.254.169.254"


def programs() -> dict[str, str]:
    """Return the environment in which programs of the host are found: a user's path lacks /usr/sbin."""
    return {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}


def ip(commands: Iterable[str]) -> None:
    """Run iproute2 commands (without the word `ip`) in the calling thread's network namespace."""
    run(["ip", "-batch", "-"], "\n".join(commands) + "\n")


def run(argv: Sequence[str], script: str) -> None:
    """Run a program of the host with its script on stdin. BoxError, with what it said, when it fails."""
    result = subprocess.run(argv, input=script.encode(), capture_output=True, env=programs(), check=False)
    if result.returncode:
        raise BoxError(f"{argv[0]}: {result.stderr.decode(errors='replace').strip()}")


def make_bridge(config: BoxConfig) -> None:
    """Make the box's bridge. The calling process is in the box's new network namespace."""
    ip(
        [
            "link set lo up",
            f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0",
            f"addr add {config.gateway}/{config.network.prefixlen} dev {BRIDGE}",
            f"link set {BRIDGE} up",
            *(
                [f"link set {HOST_VETH} master {BRIDGE} up"]
                if config.joined_to_host
                # `emrbox connect` comes from this address then, as the host's end of the veth does.
                else [f"addr add {config.host_address}/32 dev {BRIDGE}"]
            ),
        ]
    )


def node_commands(config: BoxConfig, address: str, veth: str) -> list[str]:
    """Return what to run in a node's network namespace: eth0, whose other end `veth` appears in the box's."""
    return [
        "link set lo up",
        f"addr add {METADATA_ADDRESS}/32 dev lo",
        f"link add eth0 address {mac_address(address)} type veth peer name {veth} netns {os.getpid()}",
        f"addr add {address}/{config.network.prefixlen} dev eth0",
        "link set eth0 up",
        f"route add default via {config.gateway}",
    ]


def attach(veth: str) -> None:
    """Put a node's veth on the bridge. The calling thread is in the box's network namespace."""
    ip([f"link set {veth} master {BRIDGE} up"])


def detach(veth: str) -> None:
    """Remove a node's veth now; the kernel would do it too, but some time after the node's end."""
    with contextlib.suppress(BoxError):  # the kernel was quicker
        ip([f"link del {veth}"])


def mac_address(address: str) -> str:
    """Return the MAC of a node's eth0. It follows from the address, so that no ARP cache keeps an old one."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def host_name(address: IPv4Address | str) -> str:
    """Return EC2's private DNS name of an address in us-east-1."""
    return f"ip-{str(address).replace('.', '-')}.ec2.internal"


def write_names(config: BoxConfig, file: Path) -> None:
    """Write /etc/hosts with every address of the box: look-ups in nodes are answered from files, at once."""
    lines = ["127.0.0.1 localhost", f"{config.gateway} {AWS_HOST_NAME} {REPOSITORY_HOST_NAME}"]
    for address in config.network.hosts():
        if address != config.gateway:
            name = host_name(address)
            lines.append(f"{address} {name} {name.partition('.')[0]}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
