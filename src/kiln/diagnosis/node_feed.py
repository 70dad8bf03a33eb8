"""Files of a node as they grow, over SSH; a lost connection goes on at the byte where it stopped."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from msgspec import Meta

from kiln import printable
from kiln.diagnosis import on_node_follow
from kiln.host_keys import known_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kiln.diagnosis.ssh import Ssh

# It ends with the connection: sshd is its parent.
# A script that begins after that has been adopted by process 1, which never ends.
IS_CONNECTED = "{ [ $PPID != 1 ] && kill -0 $PPID; }"
_PROGRAM = Path(on_node_follow.__file__).read_text(encoding="utf-8")
_HEAD_BYTES = 64 * 1024
_SAID_BYTES = 64 * 1024
# ssh's own exit code, when it could not connect or the connection was lost (ssh(1)).
_NO_CONNECTION = 255
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 5.0
_Count = Annotated[int, Meta(ge=0)]
_PIECE = msgspec.json.Decoder(tuple[str, _Count, Annotated[int, Meta(ge=1, le=1024 * 1024)]])


class Piece(NamedTuple):
    """Bytes of a file, and where they stand in it."""

    path: str
    begin: int
    body: bytes


class Idle(NamedTuple):
    """All files were read to their ends just now."""


class Lost(NamedTuple):
    """The connection has ended; `why` in a line. `was_connected`: something had come over it."""

    why: str
    was_connected: bool


News = Piece | Idle | Lost


def command(patterns: Sequence[str], positions: dict[str, int]) -> str:
    """Return the command that prints on a node what its files get from these positions on."""
    asked = json.dumps({"patterns": list(patterns), "positions": positions})
    program = f"python3 -c {shlex.quote(_PROGRAM)} $PPID {shlex.quote(asked)}"
    return f"{IS_CONNECTED} && exec sudo -n {program}"


def read_pieces(stream: IO[bytes]) -> Iterator[Piece | Idle]:
    """Yield what a node prints, whole pieces only. Raises ValueError for what no such program prints."""
    while head := stream.readline(_HEAD_BYTES):
        if head == b"[]\n":
            yield Idle()
            continue
        try:
            path, begin, length = _PIECE.decode(head)
        except msgspec.MsgspecError as error:
            raise ValueError("what the node printed is no log") from error
        body = stream.read(length)
        if len(body) < length:
            return
        yield Piece(path, begin, body)


class Feed(threading.Thread):
    """Follows files on one node, and tells `sink` what is new, until `close`.

    `sink` is called in this thread, with the feed itself and the news.
    """

    def __init__(
        self, ssh: Ssh, address: str, patterns: Sequence[str], sink: Callable[[Feed, News], None]
    ) -> None:
        super().__init__(daemon=True)
        self._ssh, self.address, self._patterns, self._sink = ssh, address, list(patterns), sink
        self._positions: dict[str, int] = {}
        self._closed = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Connect again and again until closed."""
        pause = _FIRST_PAUSE_SECONDS
        with tempfile.TemporaryDirectory() as folder:
            while not self._closed.is_set():
                lost = self._connect(Path(folder, "said"))
                if self._closed.is_set():
                    return
                pause = _FIRST_PAUSE_SECONDS if lost.was_connected else min(pause * 2, _LONGEST_PAUSE_SECONDS)
                self._sink(self, lost)
                self._closed.wait(pause)

    def close(self) -> None:
        """End the connection, and wait for the thread."""
        self._closed.set()
        with self._lock:
            if self._child is not None:
                self._child.terminate()
                self._child.wait()
        self.join()

    def _connect(self, said: Path) -> Lost:
        """Read from the node until the connection ends; return why it has."""
        said.unlink(missing_ok=True)
        line = self._ssh.command(
            self.address, command(self._patterns, self._positions), first=("-E", str(said))
        )
        with self._lock:
            if self._closed.is_set():
                return Lost("closed", was_connected=False)
            self._child = child = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        was_connected, why = False, ""
        with child:
            assert child.stdout is not None  # noqa: S101  # PIPE
            try:
                for news in read_pieces(child.stdout):
                    was_connected = True
                    if isinstance(news, Piece):
                        self._positions[news.path] = news.begin + len(news.body)
                    self._sink(self, news)
            except ValueError as error:
                why = str(error)
            child.terminate()
        return Lost(why or _why(child.returncode, said, line), was_connected)


def _why(code: int, said: Path, line: Sequence[str]) -> str:
    """Return why a connection has ended, in a line."""
    if code != _NO_CONNECTION:
        return "the command on the node ended"
    text = said.read_text(errors="replace")[-_SAID_BYTES:] if said.exists() else ""
    lines = [printable.line_of(one) for one in text.splitlines() if one.strip()]
    return known_hosts.problem(text, line) or (lines[-1] if lines else "the connection was lost")
