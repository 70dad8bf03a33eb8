"""A file that is there whole or not at all, written by root into folders that other users may own."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Ids(NamedTuple):
    """User and group, by their numbers."""

    user: int
    group: int


class Placed(NamedTuple):
    """A plain file. `links`: how many names it has."""

    content: bytes
    owner: Ids
    mode: int
    links: int = 1


def open_folder(path: Path, made: tuple[Ids, int] | None) -> int | None:
    """Open a folder; return None when it is missing and not made.

    `made`: owner and mode of the folders that are made where they are missing. No link is followed that
    somebody other than root can have made: root writes here.
    """
    folder = os.open("/", _FOLDER)
    for name in path.parts[1:]:
        found = os.fstat(folder)
        flags = _FOLDER | (os.O_NOFOLLOW if found.st_uid != 0 or found.st_mode & _OTHERS_WRITE else 0)
        above = folder
        try:
            folder = _opened(name, above, flags, made)
        except FileNotFoundError:
            return None
        finally:
            os.close(above)
    return folder


def _opened(name: str, above: int, flags: int, made: tuple[Ids, int] | None) -> int:
    try:
        return os.open(name, flags, dir_fd=above)
    except FileNotFoundError:
        if made is None:
            raise
    owner, mode = made
    os.mkdir(name, 0o700, dir_fd=above)
    folder = os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
    os.fchown(folder, *owner)
    os.fchmod(folder, mode)
    return folder


def read(name: str, folder: int, most_bytes: int) -> Placed | None:
    """Return the file with this name, its content up to a size; None: there is no plain file."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as stream:
        mode = stat.S_IMODE(found.st_mode)
        return Placed(stream.read(most_bytes), Ids(found.st_uid, found.st_gid), mode, found.st_nlink)


def write(name: str, folder: int, file: Placed) -> None:
    """Write the file beside its place, for the owner only, and rename it. Raises OSError."""
    unfinished = f".{name}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(unfinished, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(file.content)
            stream.flush()
            os.fchown(handle, *file.owner)
            os.fchmod(handle, file.mode)
            os.fsync(handle)
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(unfinished, dir_fd=folder)
        raise
