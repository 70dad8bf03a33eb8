"""Frames of HTTP/2 (RFC 9113), as far as a relay of gRPC calls needs to know them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, CONTINUATION = 0x0, 0x1, 0x3, 0x4, 0x8, 0x9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE = 0x1  # a setting
MOST_BYTES = 16_384  # of a frame, unless the receiver has said that it takes more
HEAD_BYTES = 9
Field = tuple[bytes, bytes]


@dataclass(frozen=True)
class Frame:
    """One frame. The connection itself is stream 0."""

    kind: int
    flags: int
    stream: int
    payload: bytes = b""

    @property
    def encoded(self) -> bytes:
        """Its bytes."""
        head = struct.pack(">IBI", len(self.payload) << 8 | self.kind, self.flags, self.stream)
        return head + self.payload

    def has(self, flag: int) -> bool:
        """Whether a flag is set; what one means depends on the kind."""
        return bool(self.flags & flag)

    @property
    def ends_stream(self) -> bool:
        """Whether its sender sends no more on its stream."""
        return self.kind == RST_STREAM or (self.kind in {DATA, HEADERS} and self.has(END_STREAM))

    @property
    def header_block(self) -> bytes:
        """A part of a compressed list of fields: of HEADERS or CONTINUATION. ValueError if it is damaged."""
        if self.kind == CONTINUATION:
            return self.payload
        start, end = 0, len(self.payload)
        if self.has(PADDED):
            start, end = 1, end - self.payload[0] if self.payload else -1
        if self.has(PRIORITY):
            start += 5
        if start > end:
            raise ValueError("a frame is shorter than its padding")
        return self.payload[start:end]

    def settings(self) -> Iterator[tuple[int, int]]:
        """Yield the settings of a SETTINGS frame, by their numbers."""
        for start in range(0, len(self.payload) - 5, 6):
            yield struct.unpack_from(">HI", self.payload, start)


def read(source: IO[bytes]) -> Frame | None:
    """Return the next frame; None at the end of the connection."""
    head = source.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    length_and_kind, flags, stream = struct.unpack(">IBI", head)
    length = length_and_kind >> 8
    payload = source.read(length)
    return (
        None if len(payload) < length else Frame(length_and_kind & 0xFF, flags, stream & 0x7FFFFFFF, payload)
    )


def header_frames(stream: int, fields: Iterable[Field], *, ends_stream: bool) -> Iterator[Frame]:
    """Yield the frames of a list of fields, none of which the receiver has to remember (RFC 7541, 6.2.2)."""
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
    parts = [block[start : start + MOST_BYTES] for start in range(0, len(block), MOST_BYTES)] or [b""]
    for number, part in enumerate(parts):
        flags = END_HEADERS if number == len(parts) - 1 else 0
        if number == 0:
            yield Frame(HEADERS, flags | (END_STREAM if ends_stream else 0), stream, part)
        else:
            yield Frame(CONTINUATION, flags, stream, part)


def window_update(stream: int, size: int) -> Frame:
    """Return the frame that lets the other side send so many bytes more."""
    return Frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def _text(text: bytes) -> bytes:
    """Write a text without Huffman's code: its length in 7 bits and more (RFC 7541, 5.1), then itself."""
    most = 0x7F
    if (length := len(text)) < most:
        return bytes([length]) + text
    rest, digits = length - most, bytearray([most])
    while rest >= 0x80:  # noqa: PLR2004  # 7 bits a byte
        digits.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*digits, rest]) + text
