"""Writing into a node's file tree from outside, without following its links out of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_LINKS_AT_MOST = 40  # as the kernel's own limit


def inside(root: Path, path: str) -> Path:
    """Return where `path`, as the node sees it, lies below `root`: links are followed as the node would."""
    pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    found: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            found = found[:-1]
            continue
        candidate = root.joinpath(*found, part)
        if not candidate.is_symlink():
            found.append(part)
            continue
        links += 1
        if links > _LINKS_AT_MOST:
            raise OSError(f"too many links in {path}")
        target = str(candidate.readlink())
        if target.startswith("/"):
            found = []
        pending.extend(piece for piece in reversed(target.split("/")) if piece not in ("", "."))
    return root.joinpath(*found)


def account(root: Path, user: str) -> tuple[int, int, str]:
    """Return uid, gid and home folder of a user of the tree; KeyError if there is none."""
    for line in inside(root, "/etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == user:
            return int(fields[2]), int(fields[3]), fields[5]
    raise KeyError(f"no user {user} in {root}")


def write(root: Path, path: str, data: bytes, owner: str, mode: int) -> None:
    """Put a file in place in one step; folders above it are made, owned by root."""
    target = inside(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    uid, gid, _ = account(root, owner)
    descriptor, temporary = tempfile.mkstemp(prefix=".emrbox-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)
        Path(temporary).rename(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def make_folder(root: Path, path: str, owner: str, mode: int) -> None:
    """Make a folder, or give an existing one this owner and mode; folders above it are owned by root."""
    target = inside(root, path)
    target.mkdir(parents=True, exist_ok=True)
    uid, gid, _ = account(root, owner)
    os.chown(target, uid, gid)
    target.chmod(mode)
