"""A node, its filter and those who try to reach it, each in a network namespace, without a box.

Run as `unshare --user --map-root-user --net python filtered_network.py`: actions come in as JSON on stdin and
a list with the outcome of each goes out. An action is a list:

- `["filter", [rule, …], [rule, …]]`: what comes in and goes out; a rule is protocol, first, last and networks
- `["try", source, target, kind, port]`: whether an answer comes; of `icmp` and `icmpv6` the port is the type
- `["open", name, source, target, port]` and `["use", name]`: a TCP connection, and whether it works (still)
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import struct
import sys
import threading
from ipaddress import IPv4Address, ip_network
from typing import TYPE_CHECKING, Any

from emrbox import namespaces
from emrbox.nodes import network
from emrbox.nodes.filters import Rule, load, table

if TYPE_CHECKING:
    from collections.abc import Callable

# The node, another one, the caller's machine, and the box itself: the bridge has its address.
ADDRESSES = {"node": 5, "other": 6, "host": 2, "gateway": 1}
OPEN_PORTS = (22, 80, 8443)
UDP_PORT = 53
# Nothing waits for the network here: whoever has no answer by now gets none.
ANSWER_SECONDS = 0.25
echoes = itertools.count(1)  # one that was answered before belongs to a known connection


class Network:
    """The namespaces, by name."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {"gateway": os.open("/proc/thread-self/ns/net", os.O_RDONLY)}
        network.ip(["link set lo up", "link add br0 type bridge forward_delay 0", "link set br0 up"])
        self._give_addresses("gateway", "br0")
        for name in ADDRESSES:
            if name not in self.places:
                self.places[name] = namespaces.in_new_network(lambda one=name: self._join(one))  # type: ignore[misc]
                network.ip([f"link set {name} master br0 up"])
        self.connections: dict[str, socket.socket] = {}
        for name in ("node", "other"):
            self.within(name, self._listen)

    def _join(self, name: str) -> int:
        network.ip(
            [
                "link set lo up",
                f"link add eth0 type veth peer name {name} netns {os.getpid()}",
                "link set eth0 up",
            ]
        )
        self._give_addresses(name, "eth0")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def _give_addresses(self, name: str, interface: str) -> None:
        number = ADDRESSES[name]
        network.ip(
            [
                f"addr add 10.9.0.{number}/24 dev {interface}",
                f"addr add fd09::{number}/64 dev {interface} nodad",
            ]
        )

    def _listen(self) -> None:
        for port in OPEN_PORTS:
            server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
            threading.Thread(target=self._echo_connections, args=(server,), daemon=True).start()
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("", UDP_PORT))
        threading.Thread(target=self._echo_datagrams, args=(datagrams,), daemon=True).start()

    def _echo_connections(self, server: socket.socket) -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        while data := connection.recv(1024):
            connection.sendall(data)

    def _echo_datagrams(self, datagrams: socket.socket) -> None:
        while True:
            datagrams.sendto(*datagrams.recvfrom(1024))

    def within(self, name: str, work: Callable[[], Any]) -> Any:
        return namespaces.in_those_of(self.places[name], namespaces.CLONE_NEWNET, work)

    def filter(self, ingress: list[Any], egress: list[Any]) -> None:
        text = table(rules(ingress), rules(egress), IPv4Address("10.9.0.1"))
        self.within("node", lambda: load(text))

    def try_it(self, source: str, target: str, kind: str, port: int) -> bool:
        number = ADDRESSES[target]
        address = f"fd09::{number}" if kind.endswith("6") else f"10.9.0.{number}"
        attempt = {"tcp": tcp, "tcp6": tcp, "udp": udp, "icmp": icmp, "icmpv6": icmpv6}[kind]

        def answered() -> bool:
            try:
                return attempt(address, port)
            except OSError:
                return False

        return bool(self.within(source, answered))

    def open(self, name: str, source: str, target: str, port: int) -> bool:
        address = (f"10.9.0.{ADDRESSES[target]}", port)
        self.connections[name] = self.within(
            source, lambda: socket.create_connection(address, ANSWER_SECONDS)
        )
        return self.use(name)

    def use(self, name: str) -> bool:
        try:
            self.connections[name].sendall(b"x")
            return self.connections[name].recv(16) == b"x"
        except OSError:
            return False


def rules(written: list[Any]) -> list[Rule]:
    return [Rule(what, first, last, tuple(map(ip_network, ends))) for what, first, last, ends in written]


def tcp(address: str, port: int) -> bool:
    with socket.create_connection((address, port), ANSWER_SECONDS):
        return True


def udp(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(ANSWER_SECONDS)
        datagrams.sendto(b"x", (address, port))
        return datagrams.recv(16) == b"x"


def icmp(address: str, kind: int) -> bool:
    """Send an echo request (8) and await the reply (0)."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as packets:
        packets.settimeout(ANSWER_SECONDS)
        message = struct.pack("!BBHHH", kind, 0, 0, next(echoes), 1)
        total = sum(struct.unpack("!4H", message))
        packets.sendto(message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:], (address, 0))
        return packets.recv(1024)[20] == 0


def icmpv6(address: str, kind: int) -> bool:
    """Send an echo request (128) and await the reply (129); the kernel fills in the checksum."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as packets:
        packets.settimeout(ANSWER_SECONDS)
        packets.sendto(struct.pack("!BBHHH", kind, 0, 0, next(echoes), 1), (address, 0))
        while (answer := packets.recv(1024)[0]) != 129:  # neighbours are heard here, too
            pass
        return answer == 129


def main() -> None:
    made = Network()
    acts: dict[str, Callable[..., Any]] = {
        "filter": made.filter,
        "try": made.try_it,
        "open": made.open,
        "use": made.use,
    }
    outcomes = [acts[name](*arguments) for name, *arguments in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(outcomes))
    sys.stdout.flush()
    os._exit(0)  # threads wait for connections


if __name__ == "__main__":
    main()
