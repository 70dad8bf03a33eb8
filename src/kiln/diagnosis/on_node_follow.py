"""Runs on a node, with its own Python: prints what is appended to files, until the connection has ended.

Each piece has a header, a line of JSON: [path, position in the file, length in bytes]. An empty list says
that all files were read to their ends. Only the standard library is used.
"""

from __future__ import annotations

import glob
import json
import os
import stat
import sys
import time

PAUSE_SECONDS = 0.3
MOST_BYTES = 256 * 1024


def appended(path: str, position: int) -> tuple[int, bytes]:
    """Return what a file has from a position on, and where that begins: at 0 when it is a new, shorter one.

    Only regular files are read: what else a job has made there may never end, or lie elsewhere.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            return position, b""
        begin = position if seen.st_size >= position else 0
        file.seek(begin)
        return begin, file.read(MOST_BYTES)


def print_news(patterns: list[str], positions: dict[str, int]) -> bool:
    """Print what is new in the files, and return whether anything was."""
    printed = False
    for path in sorted(found for pattern in patterns for found in glob.glob(pattern)):  # noqa: PTH207  # absolute
        try:
            begin, body = appended(path, positions.get(path, 0))
        except OSError:
            continue
        if body:
            header = json.dumps([path, begin, len(body)])
            sys.stdout.buffer.write(header.encode() + b"\n" + body)
            positions[path] = begin + len(body)
            printed = True
    return printed


def main(parent: int, patterns: list[str], positions: dict[str, int]) -> None:
    """Print news until the process `parent`, which serves the connection, is gone."""
    while True:
        os.kill(parent, 0)
        if not print_news(patterns, positions):
            sys.stdout.buffer.write(b"[]\n")
            sys.stdout.buffer.flush()
            time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), **json.loads(sys.argv[2]))
    except OSError:
        sys.exit(0)
