"""Plain files with content, owner and mode; each is there whole or not at all. None is ever removed."""

from __future__ import annotations

import difflib
import grp
import hashlib
import io
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiln.nodes.on_node import placed
from kiln.nodes.on_node.items import OK, ItemError, Outcome
from kiln.nodes.on_node.placed import Ids, Placed

if TYPE_CHECKING:
    from kiln.nodes.on_node.channel import Source
    from kiln.nodes.on_node.items import Item

_MOST_SHOWN = 20_000


def apply(item: Item, channel: Source, *, check: bool) -> Outcome:
    """Write the files that are not right, in order. Raises ItemError with the path, LostError."""
    diff = "".join([_applied(file, channel, check=check) for file in item["files"]])
    return Outcome(changed=True, diff=diff[:_MOST_SHOWN]) if diff else OK


def _applied(file: dict[str, Any], channel: Source, *, check: bool) -> str:
    """Write one file; return the difference, nothing where there is none."""
    try:
        return _apply(file, channel, check=check)
    except OSError as error:
        raise ItemError(f"{file['path']}: {error.strerror or error}") from error


def _apply(file: dict[str, Any], channel: Source, *, check: bool) -> str:
    path, owner = Path(file["path"]), _owner(file)
    folder = placed.open_folder(path.parent, None if check else _made())
    if folder is None:
        return _difference(file, None, _content(file, channel))
    try:
        before = placed.read(path.name, folder, file["size"] + 1)
        is_same = before is not None and _digest(before.content) == file["sha256"]
        content = before.content if before is not None and is_same else _content(file, channel)
        wanted = Placed(content, owner, file["mode"])
        if before == wanted:
            return ""
        if not check:
            placed.write(path.name, folder, wanted)
        return _difference(file, before, content)
    finally:
        os.close(folder)


def _made() -> tuple[Ids, int]:
    """Return owner and mode of folders that are made: root's, whom tests are not."""
    return Ids(os.geteuid(), os.getegid()), 0o755


def _owner(file: dict[str, Any]) -> Ids:
    try:
        user = pwd.getpwnam(file["owner"]).pw_uid
    except KeyError as error:
        raise ItemError(f"{file['path']}: there is no user {file['owner']} on the node") from error
    try:
        return Ids(user, grp.getgrnam(file["group"]).gr_gid)
    except KeyError as error:
        raise ItemError(f"{file['path']}: there is no group {file['group']} on the node") from error


def _content(file: dict[str, Any], channel: Source) -> bytes:
    content = io.BytesIO()
    channel.fetch(file["sha256"], content)
    if _digest(content.getvalue()) != file["sha256"]:
        raise ItemError(f"{file['path']}: what was sent has another SHA-256: it was changed meanwhile")
    return content.getvalue()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _difference(file: dict[str, Any], before: Placed | None, content: bytes) -> str:
    """Return what changes: lines only of text that every user may read."""
    path, mode = file["path"], file["mode"]
    head = f"+ {path}\n" if before is None else f"~ {path}\n"
    is_open = mode & stat.S_IROTH and (before is None or before.mode & stat.S_IROTH)
    old, new = _lines(before.content if before else b""), _lines(content)
    if not is_open or old is None or new is None:
        return head
    return head + "".join(f"{line}\n" for line in list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:])


def _lines(content: bytes) -> list[str] | None:
    """Return the lines of a text; None: it is no text."""
    try:
        return None if b"\0" in content else content.decode().splitlines()
    except UnicodeDecodeError:
        return None
