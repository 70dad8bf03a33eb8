"""Folders that only their owner can enter, and the temporary one of this process, which goes with it."""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODE = 0o700
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_PREFIX = "run-"
_TRIES = 5


class FolderRefusedError(PermissionError):
    """A folder for secrets is not safe. An OSError: what only ends a cluster goes on without the folder."""

    def __init__(self, folder: Path, problem: str, fix: str) -> None:
        super().__init__(1, problem, str(folder))
        self.fix = fix


def folder(path: Path) -> Path:
    """Make a folder with mode 0700 whatever the umask, or correct the mode of the one that is there.

    Raises FolderRefusedError when it is a link or somebody else's, OSError when it cannot be made.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=_MODE)
    seen = path.lstat()
    if stat.S_ISLNK(seen.st_mode):
        raise FolderRefusedError(path, "is a link; Kiln keeps secrets there", "replace it by a folder")
    if not stat.S_ISDIR(seen.st_mode):
        raise FolderRefusedError(path, "is no folder", "move it away")
    if seen.st_uid != os.geteuid():
        problem = f"belongs to another user (uid {seen.st_uid}); Kiln keeps secrets there"
        raise FolderRefusedError(path, problem, "use a checkout of your own, or give it to this user")
    if stat.S_IMODE(seen.st_mode) != _MODE:
        path.chmod(_MODE)
    return path


def temporary(places: Iterable[Path]) -> Path:
    """Return the temporary folder of this process, made in the first place that can have it.

    It is removed when the process ends. What killed processes left is removed here: a folder belongs to a
    living process as long as that holds its lock. Raises OSError when no place can have it.
    """
    with _making:
        return _temporary(tuple(places))


_making = threading.Lock()


@functools.cache
def _temporary(places: tuple[Path, ...]) -> Path:
    problem: OSError | None = None
    for place in places:
        try:
            # The user's number: places such as /dev/shm belong to all users.
            parent = folder(place / f"kiln-{os.geteuid()}")
            _remove_left(parent)
            return _locked(parent)
        except OSError as error:
            problem = problem or error
    raise problem or FileNotFoundError(2, "no place for temporary files", "")


def _locked(parent: Path) -> Path:
    """Make a folder and lock it; another process may take it for one that was left before it is locked."""
    for _ in range(_TRIES):
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        handle = lock(path, _FOLDER)
        if handle is not None and path.exists():
            atexit.register(shutil.rmtree, path, ignore_errors=True)
            return path
    raise FileNotFoundError(2, "its folders vanish as soon as they are made", str(parent))


def lock(path: Path, flags: int) -> int | None:
    """Return the open, locked file or folder; None when another process has it or it cannot be opened.

    `flags` are those of os.open; a link is never followed. The lock goes with the process, however that ends.
    Children do not inherit it.
    """
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_left(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        handle = lock(path, _FOLDER)
        if handle is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(handle)
