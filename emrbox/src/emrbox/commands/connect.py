"""From the host to a port of a node, as ssh's ProxyCommand: stdin and stdout are the connection.

A box that root has started is joined to its host by a veth, and the node is simply connected to. A box of an
ordinary user has no veth, because only root can put one into the host's network: this process then joins
the box's network namespace first, which the user owns.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
from typing import TYPE_CHECKING

from emrbox import namespaces
from emrbox.box import state
from emrbox.errors import BoxError

if TYPE_CHECKING:
    from pathlib import Path

_EC2_NAME = re.compile(r"ip-(\d+)-(\d+)-(\d+)-(\d+)(?:\.ec2\.internal)?")
_CHUNK = 256 * 1024
_CONNECT_SECONDS = 30.0


def connect(home: Path, host: str, port: int) -> None:
    """Connect stdin and stdout to a port of a node until the node closes; BoxError when that fails.

    `host` is an address, or a name as EC2 gives them (`ip-10-213-8-4.ec2.internal`), unknown here.
    """
    running = state.running(home)
    source = None
    if not running.interface:
        namespaces.join(running.pid, ("user", "net"))
        source = (running.host_address, 0)  # else the kernel takes the gateway's, which is the box itself
    try:
        connection = socket.create_connection((_address(host), port), _CONNECT_SECONDS, source)
    except OSError as problem:
        raise BoxError(f"{host} port {port}: {problem.strerror or problem}") from problem
    connection.settimeout(None)
    with connection:
        _relay(connection, 0, 1)


def _address(host: str) -> str:
    named = _EC2_NAME.fullmatch(host)
    return ".".join(named.groups()) if named else host


def _relay(connection: socket.socket, reading: int, writing: int) -> None:
    """Copy both ways; the end of `reading` is passed on, the end of the connection ends it all."""
    with selectors.PollSelector() as ready:
        ready.register(connection, selectors.EVENT_READ)
        ready.register(reading, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is connection:
                    data = connection.recv(_CHUNK)
                    if not data:
                        return
                    _write(writing, data)
                else:
                    data = os.read(reading, _CHUNK)
                    if data:
                        connection.sendall(data)
                    else:
                        ready.unregister(reading)
                        connection.shutdown(socket.SHUT_WR)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
