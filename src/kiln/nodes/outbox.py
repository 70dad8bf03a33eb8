"""What goes to a node through its connection: messages, and content, of which only a little is under way.

What sshd has received and not yet passed on lies in a buffer that it makes larger, and copies, for each
packet: up to the 2 MiB that its window allows. 4 MB cost a node 190 ms of its processor that way, and 50 ms
with a quarter of a MiB under way.
"""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 128 * 1024
# How much may be under way: an eighth of what has arrived, so that a distant node is not kept waiting.
_LEAST_BYTES, _MOST_BYTES = 256 * 1024, 1024 * 1024
_PART = 8


class Content(NamedTuple):
    """What a node has asked for."""

    name: str
    blob: bytes | Path


class Outbox:
    """One connection's. What is put into it is sent in order."""

    def __init__(self) -> None:
        self._parts: asyncio.Queue[bytes | Content] = asyncio.Queue()
        self._sent = self._arrived = 0
        self._moved = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Send a message."""
        self._parts.put_nowait(message)

    def give(self, name: str, blob: bytes | Path) -> None:
        """Send content, which the node acknowledges piece by piece."""
        self._parts.put_nowait(Content(name, blob))

    def arrived(self, count: int) -> None:
        """Note that the node has read so many more bytes of content."""
        self._arrived += count
        self._moved.set()

    async def send(self, pipe: asyncio.StreamWriter) -> None:
        """Send until cancelled, or until nobody reads any more: the exit code of ssh says why.

        Raises OSError when a file with content cannot be read.
        """
        with suppress(ConnectionError):
            while True:
                part = await self._parts.get()
                if isinstance(part, Content):
                    await self._send_content(part, pipe)
                else:
                    pipe.write(part)
                    await pipe.drain()

    async def _send_content(self, content: Content, pipe: asyncio.StreamWriter) -> None:
        blob = content.blob
        with io.BytesIO(blob) if isinstance(blob, bytes) else blob.open("rb") as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            pipe.write(msgspec.json.encode({"name": content.name, "size": size}) + b"\n")
            while chunk := stream.read(_CHUNK_BYTES):
                while self._sent - self._arrived >= self._allowed():
                    self._moved.clear()
                    await self._moved.wait()
                pipe.write(chunk)
                await pipe.drain()
                self._sent += len(chunk)

    def _allowed(self) -> int:
        return min(_MOST_BYTES, max(_LEAST_BYTES, self._arrived // _PART))
