"""`kiln logs -f`: what a step writes, as it writes it; in cluster mode its driver's container, too."""

from __future__ import annotations

import codecs
import shlex
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kiln import printable
from kiln.diagnosis import logs, node_logs
from kiln.display import terminal
from kiln.emr import states, steps
from kiln.errors import ClusterNotFoundError, PreflightError
from kiln.host_keys import known_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.diagnosis.ssh import Ssh

_LINE_BYTES = 64 * 1024
_POLL_SECONDS = 2.0
# It ends with the connection: sshd is its parent.
# A script that begins after that has been adopted by process 1, which never ends.
_IS_CONNECTED = "{ [ $PPID != 1 ] && kill -0 $PPID; }"
_TAIL = "sudo -n tail --pid=$PPID -n +1 -F"
# For what was written last to arrive.
_LAST_SECONDS = 1.0
# Each is a connection of its own.
_MOST_NODES = 50
# ssh's own exit code, when it could not connect or the connection was lost (ssh(1)).
_NO_CONNECTION = 255


def step_files(step_id: str) -> str:
    """Return the command that prints a step's streams on the master, and goes on as they grow."""
    folder = f"{node_logs.STEPS_FOLDER}/{shlex.quote(step_id)}"
    return f"{_IS_CONNECTED} && exec {_TAIL} {folder}/stderr {folder}/stdout"


def driver_files(application: str) -> str:
    """Return the script that waits for the driver's container on a node, and prints its streams."""
    folder = f"{node_logs.CONTAINERS_FOLDER}/{shlex.quote(application)}"
    return (
        f'until set -- {folder}/container_*_000001; [ -d "$1" ]; do {_IS_CONNECTED} || exit; sleep 1; done; '
        f'{_IS_CONNECTED} && exec {_TAIL} "$1/stdout" "$1/stderr"'
    )


def follow(context: Context, cluster: Cluster, step: Step, ssh: Ssh) -> int:
    """Show what the step writes until it ends. Raises PreflightError when the master cannot be reached."""
    nodes = [node for node in context.effects.list_instances(cluster.id) if node.state == "RUNNING"]
    masters = [node for node in nodes if node.group == "MASTER"]
    if not masters:
        raise ClusterNotFoundError(f"cluster {cluster.id} has no master to read from")
    driver = DriverSearch()
    with _streams(ssh.knowing(nodes)) as open_stream:
        steps_own = open_stream(masters[0].private_ip_address, step_files(step.id), driver.see)
        while steps_own.copy.is_alive():
            if application := driver.take():
                for node in nodes[:_MOST_NODES]:
                    open_stream(node.private_ip_address, driver_files(application))
            seen = steps.seen_if_any(context, cluster.id, step.id)
            if seen is not None and seen.state in states.STEP_ENDED:
                context.clock.wait(_LAST_SECONDS, context.stop.event)
                terminal.err(f"step {step.name}: {seen.state}")
                break
            context.clock.wait(_POLL_SECONDS, context.stop.event)
        else:
            if reason := steps_own.lost_connection():
                raise PreflightError(
                    f"the master of cluster {cluster.id} cannot be read over SSH: {reason}",
                    fix="without -f the logs come from S3, some minutes later",
                )
    return 0


class DriverSearch:
    """Finds in a step's output the YARN application whose first container is the driver."""

    def __init__(self) -> None:
        self._application = ""
        self._is_client = False

    def see(self, text: str) -> None:
        """Read a line. A driver in client mode writes to the step's own files, and reports itself first."""
        self._is_client = self._is_client or logs.CLIENT_MODE in text
        if match := logs.APPLICATION.search(text):
            self._application = match[1]

    def take(self) -> str:
        """Return the application once it is known, else nothing."""
        found, self._application = self._application, ""
        return "" if self._is_client else found


class Stream(NamedTuple):
    """A command on a node, and the copy of what it prints. `said` is the file with what ssh itself says."""

    command: list[str]
    child: subprocess.Popen[bytes]
    copy: Copy
    said: Path

    def lost_connection(self) -> str:
        """Return why ssh has ended, in a line; empty when the command on the node did."""
        if self.child.wait() != _NO_CONNECTION:
            return ""
        text = self.said.read_text(errors="replace")[-_LINE_BYTES:] if self.said.exists() else ""
        lines = [printable.line_of(line) for line in text.splitlines() if line.strip()]
        refused = known_hosts.problem(text, self.command)
        return refused or (lines[-1] if lines else "the connection was lost")


@contextmanager
def _streams(ssh: Ssh) -> Iterator[Callable[..., Stream]]:
    """Give a function that copies what a command on a node prints; end all of them after the block."""
    streams: list[Stream] = []
    with tempfile.TemporaryDirectory() as folder:

        def begin(address: str, script: str, see: Callable[[str], None] | None = None) -> Stream:
            said = Path(folder, str(len(streams)))
            command = ssh.command(address, script, first=("-E", str(said)))
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert child.stdout is not None  # noqa: S101  # PIPE
            streams.append(Stream(command, child, Copy(child.stdout, see), said))
            streams[-1].copy.start()
            return streams[-1]

        try:
            yield begin
        finally:
            for one in streams:
                one.child.terminate()
                one.child.wait()
                one.copy.join()
                one.copy.stream.close()
    for one in streams:
        if one.copy.error is not None:
            raise one.copy.error


class Copy(threading.Thread):
    """Shows what a stream of logs brings, line by line, as it comes; `error` is why that ended early."""

    def __init__(self, stream: IO[bytes], see: Callable[[str], None] | None = None) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self._see = see
        self.error: OSError | None = None

    def run(self) -> None:
        """Copy until the stream ends or nobody reads the copy."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            # A line without an end must not fill the memory.
            while part := self.stream.readline(_LINE_BYTES):
                text = decoder.decode(part)
                terminal.out_text(text)
                if self._see is not None:
                    self._see(text)
        except OSError as error:
            self.error = error
