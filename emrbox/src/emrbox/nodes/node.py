"""One EC2 instance as a machine: namespaces of its own, an overlay on its image, an address, sshd."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from emrbox import namespaces
from emrbox.errors import BoxError
from emrbox.nodes import confinement, ended, filters, first_process, network, tree
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emrbox.config import BoxConfig
    from emrbox.nodes.tree import NodeSpec

_NAMESPACES = (
    namespaces.CLONE_NEWNS
    | namespaces.CLONE_NEWUTS
    | namespaces.CLONE_NEWIPC
    | namespaces.CLONE_NEWPID
    | namespaces.CLONE_NEWNET
)
_LOOK_SECONDS = 0.05
_CONSOLE_BYTES = 64 * 1024  # as GetConsoleOutput has
_REBOOT = 3  # how the image's first process ends when the node is to start again
_START_TIMEOUT_SECONDS = 120.0  # a second or two, if the machine is not busy
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


T = TypeVar("T")


class NodeError(BoxError):
    """A node did not start, or is not there any more."""


class MetadataListener(Protocol):
    """Serves instance metadata on a socket that listens inside the node's own network namespace."""

    def add(self, listening: socket.socket, spec: NodeSpec) -> None:
        """Serve this socket for this node from now on."""

    def remove(self, listening: socket.socket) -> None:
        """Stop serving, and close the socket."""


Stream = int | IO[Any] | None


class Node:
    """A machine. It can be started, halted and started again; `stop` removes it for good."""

    def __init__(self, spec: NodeSpec, config: BoxConfig, metadata: MetadataListener) -> None:
        self.spec = spec
        self.folder = config.nodes_folder / spec.instance_id
        self.root = self.folder / "root"
        self.files = Tree(self.root)
        self.on_exit: Callable[[], None] | None = None
        self._config = config
        self._metadata = metadata
        self._lock = threading.RLock()
        self._holder: subprocess.Popen[bytes] | None = None  # `unshare`: parent of the node's first process
        self._watcher: threading.Thread | None = None
        self._listening: socket.socket | None = None
        self.filter = filters.table((), (), config.gateway)  # until it is known what may pass: nothing
        self._filter_lock = threading.Lock()
        self._network: int | None = None  # a descriptor of its network namespace, while that is there
        self._wanted = False
        self._removed = False
        self._veth = f"v{spec.instance_id[-12:]}"  # interface names end at 15 characters

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self._holder is not None and self._holder.poll() is None

    @property
    def console(self) -> bytes:
        """The last 64 KB of what the first process has printed, in this boot and those before."""
        with contextlib.suppress(FileNotFoundError), (self.folder / "console.log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _CONSOLE_BYTES))
            return file.read(_CONSOLE_BYTES)
        return b""

    def start(self) -> None:
        """Boot, and return when sshd answers. NodeError if it does not in time."""
        with self._lock:
            if self._removed:
                raise NodeError(f"{self.spec.instance_id} was ended before it had started")
            if self.is_running:
                return
            if not self.root.is_mount():
                tree.make(self.spec, self.folder, self._config)
            self._wanted = True
            self._boot()
        self._wait_for_sshd()

    def _boot(self) -> None:
        commands = network.node_commands(self._config, self.spec.address, self._veth)

        def in_its_network() -> tuple[socket.socket, subprocess.Popen[bytes]]:
            with self._filter_lock:
                filters.load(self.filter, is_first=True)
                self._network = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            network.ip(commands)
            listening = socket.create_server((network.METADATA_ADDRESS, 80), backlog=64)
            with (self.folder / "console.log").open("ab") as console:
                holder = subprocess.Popen(
                    [
                        *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"),
                        *(sys.executable, "-m", first_process.__name__, self.root, self.spec.host_name),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    start_new_session=True,
                )
            return listening, holder

        self._listening, self._holder = namespaces.in_new_network(in_its_network)
        network.attach(self._veth)
        self._metadata.add(self._listening, self.spec)
        self._watcher = threading.Thread(
            target=self._watch, args=(self._holder, self._listening), name=self.spec.instance_id, daemon=True
        )
        self._watcher.start()

    def let_through(self, table: str) -> None:
        """Filter its network by this table (`filters.table`) from now on. BoxError when nft refuses it."""
        with self._filter_lock:
            if table == self.filter:
                return
            if self._network is not None:
                in_network = namespaces.CLONE_NEWNET
                namespaces.in_those_of(self._network, in_network, lambda: filters.load(table))
            self.filter = table

    def _watch(self, holder: subprocess.Popen[bytes], listening: socket.socket) -> None:
        """Wait for the end of this boot; boot again after a reboot, else call `on_exit` if unasked for."""
        code = holder.wait()
        self._metadata.remove(listening)
        with self._filter_lock:
            if self._network is not None:
                os.close(self._network)
                self._network = None
        network.detach(self._veth)
        with self._lock:
            if not self._wanted or self._holder is not holder:
                return
            if code == _REBOOT:
                self._boot()
                return
            self._wanted = False
        if self.on_exit is not None:
            self.on_exit()

    def _wait_for_sshd(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.spec.address, 22), 1) as ssh:
                if ssh.recv(4) == b"SSH-":
                    return
            if not self.is_running:
                break
            time.sleep(0.01)
        last = self.console.decode(errors="replace").strip().splitlines()[-3:]
        raise NodeError(f"{self.spec.instance_id} did not start: {' | '.join(last) or 'no console output'}")

    def halt(self) -> None:
        """End every process of the node and keep its files."""
        with self._lock:
            self._wanted = False
            holder, watcher = self._holder, self._watcher
            while holder is not None and holder.poll() is None:
                # The first process, not `unshare`: which then returns only when all of them have ended.
                with contextlib.suppress(ProcessLookupError, NodeError):  # NodeError: it is not there yet
                    os.kill(self._first_process(), signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    holder.wait(_LOOK_SECONDS)
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join()

    def stop(self) -> None:
        """End the node and remove its files."""
        with self._lock:
            self._removed = True
        self.halt()
        with self._lock:
            if self.root.is_mount():
                namespaces.unmount(self.root)
            ended.put_away(self.folder, self._config.ended_folder)

    def reboot(self) -> None:
        """End every process of the node, keep its files, and boot it again."""
        self.halt()
        self.start()

    def go_on(self) -> None:
        """Continue every process of the node that was stopped by a signal."""
        self.run(["sh", "-c", "kill -CONT -1"])

    def _first_process(self) -> int:
        """Return the pid in the box's namespace of the node's first process."""
        holder = self._holder
        if holder is not None:
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
                if children:
                    return int(children[0])
        raise NodeError(f"{self.spec.instance_id} is not running")

    def popen(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process inside the node as `user`. `env` adds to a login-like environment.

        It is the leader of a process group of its own: os.killpg(process.pid, …) reaches all of it.
        """
        uid, gid, home = self.files.account(user)
        environment = {"PATH": _PATH, "HOME": home, "USER": user, "LOGNAME": user, "SHELL": "/bin/bash"}
        environment |= {"LANG": "C.UTF-8", **(env or {})}
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123  # of the box: the node's may be anything

            def start() -> subprocess.Popen[bytes]:
                # `env` may be a link to /proc/self/exe, and so be the box's Python. No process can write to
                # that while the box itself runs it (ETXTBSY), and the node ends with the box.
                confinement.confine()
                return subprocess.Popen(
                    [
                        *("env", f"--chdir={cwd}", "setpriv", f"--reuid={uid}", f"--regid={gid}"),
                        *("--init-groups", "--", *argv),
                    ],
                    stdin=nothing if stdin is None else stdin,
                    stdout=stdout,
                    stderr=stderr,
                    env=environment,
                    start_new_session=True,
                    # Else Python would use vfork, and stopping the child in the node would stop the box.
                    extra_groups=(),
                )

            process = self.inside(start)
        # The kernel ends the node's namespaces when all their processes have been waited for.
        threading.Thread(target=process.wait, name=f"{self.spec.instance_id}-process", daemon=True).start()
        return process

    def inside(self, work: Callable[[], T], which: int = _NAMESPACES) -> T:
        """Run `work` in a thread that is in the node's namespaces, with the rights of the box.

        See `namespaces.in_those_of` for what it may do there. NodeError when the node does not run.
        """
        first = self._first_process()
        try:
            process = os.pidfd_open(first)
        except OSError as problem:
            raise NodeError(f"{self.spec.instance_id} is not running") from problem
        try:
            if self._first_process() != first:  # the number may be another process's by now
                raise NodeError(f"{self.spec.instance_id} is not running")
            return namespaces.in_those_of(process, which, work)
        finally:
            os.close(process)

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        timeout_seconds: float = 60.0,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a process inside the node to its end. After the time: kill it, subprocess.TimeoutExpired."""
        pipe = subprocess.PIPE
        process = self.popen(
            argv, user=user, env=env, stdin=pipe if stdin is not None else None, stdout=pipe, stderr=pipe
        )
        try:
            out, err = process.communicate(stdin, timeout=timeout_seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)
