"""The end of a log that may be compressed, damaged or far larger than memory: always text, never an error."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = MIB
# zlib copies what it was given and did not use, with every member: a whole log would be copied each time.
_SLICE_BYTES = 64 * 1024
_MOST_MEMBERS = 10_000
_ZEROS = re.compile(rb"\0*")
# zlib's code for the gzip format with its header.
_GZIP_WINDOW = 31


class Limits(NamedTuple):
    """Bytes: what is kept of the end, and after how much of a compressed log unpacking stops."""

    kept: int = 4 * MIB
    unpacked: int = 512 * MIB


class Unpacked(NamedTuple):
    """The end of a log: `total` bytes were unpacked; `problem` is why there may be more, or empty."""

    body: bytes
    total: int
    problem: str = ""


class BreakError(Exception):
    """A gzip file cannot be unpacked further; the message is the reason."""


def gunzip_end(packed: bytes, limits: Limits) -> Unpacked:
    """Return the end of a gzip file of one or more members; what comes before damage is kept."""
    if not packed.startswith(_GZIP):
        return Unpacked(packed[-limits.kept :], len(packed), "it is no gzip file" if packed else "")
    end, total = bytearray(), 0
    try:
        for part in parts(packed):
            end += part
            total += len(part)
            del end[: -limits.kept]
            if total >= limits.unpacked:
                return Unpacked(bytes(end), total, f"only its first {megabytes(total)} were unpacked")
    except BreakError as error:
        return Unpacked(bytes(end), total, f"{error} after {megabytes(total)}")
    except zlib.error:
        return Unpacked(bytes(end), total, f"it is damaged after {megabytes(total)}")
    return Unpacked(bytes(end), total)


def parts(packed: bytes) -> Iterator[bytes]:
    """Yield what the members of a gzip file hold. Raises BreakError, zlib.error."""
    view, at = memoryview(packed), 0
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_GZIP_WINDOW)
        rest: bytes | memoryview = b""
        while not member.eof:
            if not rest:
                rest = view[at : at + _SLICE_BYTES]
                at += len(rest)
            given = len(rest)
            part = member.decompress(rest, _CHUNK_BYTES)
            rest = member.unconsumed_tail
            if not part and not given:
                raise BreakError("it is truncated")
            yield part
        # Some writers fill up with zero bytes.
        at = _after_zeros(packed, at - len(member.unused_data))
        if at == len(packed):
            return
        if not packed.startswith(_GZIP, at):
            raise BreakError("it is damaged")
    raise BreakError(f"it has more than {_MOST_MEMBERS:,} parts (gzip members), and was not unpacked")


def _after_zeros(packed: bytes, at: int) -> int:
    found = _ZEROS.match(packed, at)
    return found.end() if found else at


def megabytes(count: int) -> str:
    """Return a size for people, such as `4.2 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} bytes"  # noqa: PLR2004  # 0.1 MB
