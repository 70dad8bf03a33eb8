"""The files of nodes that have ended: emptied at once, and removed when the box ends.

For up to five minutes ext4 gives no new file the inode of a removed one, and looks at each of them whenever a
file is made (fs/ext4/ialloc.c, recently_deleted). After a cluster of three nodes had been removed, the next
one took three times as long to unpack its Python environment.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# So many are kept, and fewer where they would take half of the file system's inodes: a node has up to 10,000.
_MOST = 300
_LEAST_FREE = 0.5


def put_away(folder: Path, ended: Path) -> None:
    """Take a node's folder out of its place and empty its files. Nothing may be mounted in it."""
    ended.mkdir(exist_ok=True)
    place = ended / f"{time.time_ns()}-{folder.name}"
    try:
        folder.rename(place)
    except FileNotFoundError:
        return
    for path in _files(place):
        _empty(path)
    _remove_oldest(ended)


def _files(folder: Path | str) -> Iterator[str]:
    """Yield the plain files below a folder, as far as this process may look."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path
    except OSError:
        return


def _empty(path: str) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError:
        # A file that nobody may write goes at once. Another node's end may have removed it.
        Path(path).unlink(missing_ok=True)


def _remove_oldest(ended: Path) -> None:
    kept = sorted(ended.iterdir(), key=lambda one: one.name)
    while kept and (len(kept) > _MOST or _lacks_inodes(ended)):
        shutil.rmtree(kept.pop(0), ignore_errors=True)


def _lacks_inodes(folder: Path) -> bool:
    """Return whether few are left. A file system without a number of them, such as Btrfs, says 0."""
    found = os.statvfs(folder)
    return found.f_favail < found.f_files * _LEAST_FREE
