"""The end of a log that may be compressed, damaged or far larger than memory: always text, never an error."""

from __future__ import annotations

import zlib
from typing import NamedTuple

MIB = 1024 * 1024
_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = MIB
# zlib's code for the gzip format with its header.
_GZIP_WINDOW = 31


class Limits(NamedTuple):
    """Bytes: what is kept of the end, and after how much of a compressed log unpacking stops."""

    kept: int = 4 * MIB
    unpacked: int = 512 * MIB


class Unpacked(NamedTuple):
    """The end of a log: `total` bytes were unpacked; `problem` says why there may be more, or nothing."""

    body: bytes
    total: int
    problem: str = ""


def gunzip_end(packed: bytes, limits: Limits) -> Unpacked:
    """Return the end of a gzip file of one or more members; what comes before damage is kept."""
    if not packed.startswith(_GZIP):
        return Unpacked(packed[-limits.kept :], len(packed), "it is no gzip file" if packed else "")
    end, total, rest = bytearray(), 0, packed
    try:
        while rest.startswith(_GZIP):
            member = zlib.decompressobj(_GZIP_WINDOW)
            while not member.eof:
                part = member.decompress(rest, _CHUNK_BYTES)
                rest = member.unconsumed_tail
                end += part
                total += len(part)
                del end[: -limits.kept]
                if total >= limits.unpacked:
                    return Unpacked(bytes(end), total, f"only its first {megabytes(total)} were unpacked")
                if not part and not rest and not member.eof:
                    return Unpacked(bytes(end), total, f"it breaks off after {megabytes(total)}")
            # Some writers fill up with zero bytes.
            rest = member.unused_data.lstrip(b"\0")
    except zlib.error:
        return Unpacked(bytes(end), total, f"it is damaged after {megabytes(total)}")
    return Unpacked(bytes(end), total, "it is damaged at its end" if rest else "")


def megabytes(count: int) -> str:
    """Return a size for people, such as `4.2 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} bytes"  # noqa: PLR2004  # 0.1 MB
