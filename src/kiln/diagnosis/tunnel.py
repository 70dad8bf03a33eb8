"""The web pages of another machine, such as a master, on ports of this one, through one ssh connection."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from kiln import private
from kiln.errors import PreflightError, UsageError
from kiln.host_keys import known_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.diagnosis.ssh import Ssh

LOOPBACK = "127.0.0.1"
_START_SECONDS, _ANSWER_SECONDS, _STOP_SECONDS = 30.0, 10.0, 5.0
_TURN_SECONDS = 0.1
_MOST_BYTES = 4096
# A connection whose cluster is gone ends after three of these, in seconds.
_ALIVE_SECONDS = 15
_FIX = "check emr_cluster_private_key_file, emr_cluster_ssh_proxy_command, and the network to it"


class Page(NamedTuple):
    """A web page: its port on its machine, and what follows the port in its address."""

    name: str
    port: int
    path: str = "/"


# Of a master (docs/aws_facts.md 10).
PAGES = (Page("YARN ResourceManager", 8088), Page("Spark history server", 18080), Page("HDFS NameNode", 9870))
# Of the data-science instance: the services of roles/data_science_node. Both want its token.
DATA_SCIENCE_PAGES = (Page("JupyterLab", 8888, "/lab"), Page("dashboard", 8866))


class Destination(NamedTuple):
    """A machine: how it is reached, its address, the one at which its pages listen, the pages."""

    ssh: Ssh
    address: str
    listens: str
    pages: Sequence[Page]


def local_ports(pages: Sequence[Page], first: int | None = None) -> list[int]:
    """Return a port of this machine for each page: from `first` on, else the page's own one if it is free.

    Raises UsageError when one of those that are asked for is in use.
    """
    if first is None:
        return [_bound(page.port) or _bound(0) for page in pages]
    wanted = [first + number for number in range(len(pages))]
    for port in wanted:
        if not _bound(port):
            raise UsageError(f"port {port} of this machine is in use", fix="choose another: --port LOCAL")
    return wanted


def _bound(port: int) -> int:
    """Return the port if it can be bound (any free one for 0), else 0."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return 0
        return int(trial.getsockname()[1])


@contextmanager
def opened(context: Context, to: Destination, ports: Sequence[int]) -> Iterator[Tunnel]:
    """Forward these ports of this machine to the pages of another for as long as the block lasts.

    Raises PreflightError, with what ssh says, when they cannot be opened.
    """
    private.folder(to.ssh.known_hosts.folder)
    with tempfile.TemporaryFile() as said:
        command = _command(to, ports)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            # Ctrl-C reaches this process only, which then ends ssh.
            start_new_session=True,
        )
        try:
            tunnel = Tunnel(process, said, to.address, command)
            _wait_until_open(context, tunnel, ports)
            yield tunnel
        finally:
            _end(process)


def _command(to: Destination, ports: Sequence[int]) -> list[str]:
    forwards = [
        word
        for page, port in zip(to.pages, ports, strict=True)
        for word in ("-L", f"{LOOPBACK}:{port}:{to.listens}:{page.port}")
    ]
    options = [
        "-N",
        *("-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveCountMax=3"),
        *("-o", f"ServerAliveInterval={_ALIVE_SECONDS}"),
        *forwards,
    ]
    # The kernel then ends ssh when this process is killed.
    guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    return [*guard, *to.ssh.command(to.address, first=options)]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_open(context: Context, tunnel: Tunnel, ports: Sequence[int]) -> None:
    ends_at = context.clock.monotonic() + _START_SECONDS
    while not all(map(_is_open, ports)):
        context.stop.check()
        tunnel.check()
        if context.clock.monotonic() >= ends_at:
            raise PreflightError(f"ssh has opened no port within {_START_SECONDS:.0f} s", fix=_FIX)
        context.clock.wait(_TURN_SECONDS, context.stop.event)


class Tunnel(NamedTuple):
    """The ssh process that forwards ports, the file that gets what it says, its node and its arguments."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    address: str
    options: Sequence[str]

    def check(self) -> None:
        """Raise PreflightError when ssh has ended."""
        code = self.process.poll()
        if code is None:
            return
        self.said.seek(0)
        text = self.said.read(_MOST_BYTES).decode(errors="replace")
        if problem := known_hosts.problem(text, self.options):
            raise PreflightError(f"{self.address}: {problem}")
        lines = text.strip().splitlines()
        raise PreflightError(
            f"ssh has ended with exit code {code}: {lines[-1] if lines else 'it says nothing'}",
            fix=_FIX,
            details=tuple(lines[:-1]),
        )


def _is_open(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((LOOPBACK, port)) == 0


def answers(port: int) -> bool:
    """Return whether a web server answers at a port of this machine, whatever it says."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
