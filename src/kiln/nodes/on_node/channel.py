"""The node's end of the connection: one JSON document a line to the control host, its answers and files back.

Everything else that may appear on standard output (a login script, a child process) has no token in front
and is not taken for an answer.
"""

from __future__ import annotations

import json
import threading

TYPE_CHECKING = False  # typing takes a node 4 ms
if TYPE_CHECKING:
    from typing import BinaryIO, Protocol

    class Source(Protocol):
        """Who gets the reports of the items, and has their content."""

        is_lost: threading.Event

        def say(self, **document: object) -> None:
            """Report."""

        def answer(self, name: str) -> dict[str, object]:
            """Return what is known about the content with this name. Raises LostError."""

        def fetch(self, name: str, sink: BinaryIO) -> None:
            """Write the content with this name. Raises LostError, ItemError, OSError."""


BEAT_SECONDS = 5.0
# Of content, so much is acknowledged at once: kiln.nodes.outbox sends little ahead of that.
_CHUNK_BYTES = 128 * 1024


class LostError(Exception):
    """The control host is gone."""


class Channel:
    """Lines out, messages in. `say` may be called by several threads."""

    def __init__(self, source: BinaryIO, target: BinaryIO, token: str) -> None:
        self._source, self._target, self._token = source, target, token
        self._writing = threading.Lock()
        self._arrived = threading.Condition()
        self._messages: dict[str, dict[str, object]] = {}
        self._sinks: dict[str, BinaryIO] = {}
        self.is_lost = threading.Event()

    def start(self) -> None:
        """Read messages and send a heartbeat from now on; both end with the process."""
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def say(self, **document: object) -> None:
        """Send one document. When nobody reads any more, it is noted and not an error."""
        line = f"{self._token} {json.dumps(document)}\n".encode()
        try:
            with self._writing:
                self._target.write(line)
                self._target.flush()
        except OSError:
            self._lose()

    def answer(self, name: str) -> dict[str, object]:
        """Wait for the control host's answer with this name. Raises LostError."""
        with self._arrived:
            self._arrived.wait_for(lambda: name in self._messages or self.is_lost.is_set())
            if name not in self._messages:
                raise LostError
            return self._messages.pop(name)

    def fetch(self, name: str, sink: BinaryIO) -> None:
        """Ask for the bytes with this name and write them. Raises LostError, and OSError of the sink."""
        self._sinks[name] = sink
        self.say(need=name)
        error = self.answer(f"blob {name}").get("error")
        if isinstance(error, OSError):
            raise error

    def _read(self) -> None:
        try:
            while line := self._source.readline():
                message = json.loads(line)
                name = str(message.pop("name"))
                if "size" in message:
                    error = self._copy(int(message["size"]), self._sinks.pop(name))
                    self._deliver(f"blob {name}", {"error": error})
                else:
                    self._deliver(name, message)
        finally:
            self._lose()

    def _copy(self, size: int, sink: BinaryIO) -> OSError | None:
        """Write the bytes that come now. All are read in any case: a message follows them."""
        failed: OSError | None = None
        while size:
            chunk = self._source.read(min(size, _CHUNK_BYTES))
            if not chunk:
                raise LostError
            size -= len(chunk)
            self.say(got=len(chunk))
            try:
                if failed is None:
                    sink.write(chunk)
            except OSError as error:
                failed = error
        return failed

    def _deliver(self, name: str, message: dict[str, object]) -> None:
        with self._arrived:
            self._messages[name] = message
            self._arrived.notify_all()

    def _lose(self) -> None:
        with self._arrived:
            self.is_lost.set()
            self._arrived.notify_all()

    def _beat(self) -> None:
        while not self.is_lost.wait(BEAT_SECONDS):
            self.say(beat=True)
