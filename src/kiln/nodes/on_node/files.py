"""A file with its content, owner and mode. What it holds may be a secret, and is in no result."""

from __future__ import annotations

import contextlib
import io
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from kiln.nodes.on_node.items import OK, Item, ItemError, Outcome

if TYPE_CHECKING:
    from kiln.nodes.on_node.channel import Source

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_FOLDER_MODE = 0o700


def apply(item: Item, channel: Source, *, check: bool) -> Outcome:
    """Write the file unless it is right. Raises ItemError, OSError, LostError."""
    path, mode = Path(item["path"]), int(item["mode"])
    try:
        owner = pwd.getpwnam(item["owner"])
    except KeyError as error:
        raise ItemError(f"there is no user {item['owner']} on the node") from error
    content = io.BytesIO()
    channel.fetch(item["blob"], content)
    folder = _open_folder(path.parent, owner, make=not check)
    if folder is None:
        return Outcome(changed=True, diff=f"+ {path}\n")
    try:
        own = bool(item["private"])
        if _is_right(path.name, folder, content.getvalue(), owner, mode) and (
            not own or _is_private(folder, owner)
        ):
            return OK
        if not check:
            if own:
                os.fchown(folder, owner.pw_uid, owner.pw_gid)
                os.fchmod(folder, _FOLDER_MODE)
            _write(path.name, folder, content.getvalue(), owner, mode)
    finally:
        os.close(folder)
    return Outcome(changed=True, diff=f"~ {path}\n")


def _open_folder(path: Path, owner: pwd.struct_passwd, *, make: bool) -> int | None:
    """Open the folder, and make it and those above it for the owner only. None: it is missing and not made.

    No link is followed that somebody other than root can have made: root writes here.
    """
    folder = os.open("/", _FOLDER)
    for name in path.parts[1:]:
        flags = _FOLDER | (os.O_NOFOLLOW if os.fstat(folder).st_uid != 0 else 0)
        above = folder
        try:
            folder = _opened(name, above, flags, owner, make=make)
        except FileNotFoundError:
            return None
        finally:
            os.close(above)
    return folder


def _opened(name: str, above: int, flags: int, owner: pwd.struct_passwd, *, make: bool) -> int:
    try:
        return os.open(name, flags, dir_fd=above)
    except FileNotFoundError:
        if not make:
            raise
    os.mkdir(name, _FOLDER_MODE, dir_fd=above)
    folder = os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
    os.fchown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def _is_private(folder: int, owner: pwd.struct_passwd) -> bool:
    found = os.fstat(folder)
    return (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (
        owner.pw_uid,
        owner.pw_gid,
        _FOLDER_MODE,
    )


def _is_right(name: str, folder: int, content: bytes, owner: pwd.struct_passwd, mode: int) -> bool:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        if (found.st_uid, found.st_gid, found.st_nlink) != (owner.pw_uid, owner.pw_gid, 1):
            return False
        return found.st_mode == stat.S_IFREG | mode and stream.read(len(content) + 1) == content


def _write(name: str, folder: int, content: bytes, owner: pwd.struct_passwd, mode: int) -> None:
    """Write the file beside its place, for the owner only, and rename it. Raises OSError."""
    unfinished = f".{name}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(unfinished, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(handle, owner.pw_uid, owner.pw_gid)
            os.fchmod(handle, mode)
            os.fsync(handle)
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(unfinished, dir_fd=folder)
        raise
