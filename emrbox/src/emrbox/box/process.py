"""The box itself: a first process in namespaces of its own, and the server that is its only child.

Started by `emrbox up` as `python -m emrbox.box.process LISTENING_FD CONTROL_FD HOME`; HOME only
identifies the box in `ps`. Over the control socket go the first process's pid (out) and the box's
configuration (in). If `up` dies before it has sent that, the box ends too.
When the first process ends, by any means, the kernel ends every process in the box and with them all
namespaces, mounts, nodes and the veth to the host.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from emrbox import namespaces
from emrbox.config import BoxConfig, Images

LOG = logging.getLogger("emrbox")


def to_json(config: BoxConfig) -> bytes:
    """Write a configuration as one line."""
    images = config.images
    document = {
        "home": str(config.home),
        "port": config.port,
        "joined_to_host": config.joined_to_host,
        "network": str(config.network),
        "admin_access_key_id": config.admin_access_key_id,
        "admin_secret_access_key": config.admin_secret_access_key,
        "base": str(images.base),
        "releases": {label: [str(path) for path in paths] for label, paths in images.releases.items()},
        "rpm_repository": str(images.rpm_repository),
    }
    return json.dumps(document).encode() + b"\n"


def from_json(line: bytes) -> BoxConfig:
    """Read what `to_json` wrote."""
    document: dict[str, Any] = json.loads(line)
    images = Images(
        base=Path(document["base"]),
        releases={label: tuple(map(Path, paths)) for label, paths in document["releases"].items()},
        rpm_repository=Path(document["rpm_repository"]),
    )
    return BoxConfig(
        home=Path(document["home"]),
        port=document["port"],
        network=IPv4Network(document["network"]),
        admin_access_key_id=document["admin_access_key_id"],
        admin_secret_access_key=document["admin_secret_access_key"],
        images=images,
        joined_to_host=document["joined_to_host"],
    )


def main() -> None:
    """Enter new namespaces, fork their first process, send its pid, and end."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    control = socket.socket(fileno=int(sys.argv[2]))
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWNET | namespaces.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        control.sendall(f"{pid}\n".encode())
        os._exit(0)
    first_process(listening, control)


def first_process(listening: socket.socket, control: socket.socket) -> None:
    """Be PID 1: get the configuration, start the server, reap orphans, end when the server ends."""
    os.setsid()
    os.umask(0o022)  # what the box makes is for its nodes' users; the umask of who starts it is for the host
    namespaces.make_mounts_private()
    flags = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
    namespaces.mount("proc", Path("/proc"), "proc", flags)
    with control, control.makefile("rb") as messages:
        line = messages.readline()
    if not line.endswith(b"\n"):
        os._exit(1)  # `up` has ended
    # PID 1 gets only the signals that it handles.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os._exit(0))
    server = os.fork()
    if server == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        serve(from_json(line), listening)
        os._exit(0)
    listening.close()
    while True:
        pid, status = os.wait()
        if pid == server:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def serve(config: BoxConfig, listening: socket.socket) -> None:
    """Make the network, EC2 and EMR, and serve until the process ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        _serve(config, listening)
    except BaseException:
        LOG.exception("the box ends")
        sys.stderr.flush()
        os._exit(1)


def _serve(config: BoxConfig, listening: socket.socket) -> None:
    # moto takes half a second to import; `up` and the first process need none of it.
    from emrbox.box.assembly import create_box  # noqa: PLC0415  # as said above
    from emrbox.images.cache import hold  # noqa: PLC0415  # as said above
    from emrbox.nodes import network  # noqa: PLC0415  # as said above

    releases = [layer for layers in config.images.releases.values() for layer in layers]
    hold((config.images.base, *releases, config.images.rpm_repository))
    network.make_bridge(config)
    network.write_names(config, config.box_layer / "etc/hosts")
    for_nodes = socket.create_server((str(config.gateway), 80), backlog=256)
    server = create_box(config)
    LOG.info("answering on %s and, for nodes, on %s", config.endpoint_url, config.node_endpoint_url)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve([listening, for_nodes])


if __name__ == "__main__":
    main()
