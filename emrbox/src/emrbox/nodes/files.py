"""A node's file tree, read and written from outside while the node may change it at any time.

Every path is resolved by the kernel as the node itself would resolve it (openat2(2) with RESOLVE_IN_ROOT): no
link, `..` or folder that is swapped meanwhile leads out of the tree. What is done to a name is done below the
folder that was opened. Pipes, devices and sockets are neither waited for nor read.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from emrbox import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Status = os.stat_result

_OPENAT2 = 437  # its number on x86_64; glibc has no function for it
_NO_MAGIC_LINKS, _BENEATH, _IN_ROOT = 0x02, 0x08, 0x10
_TRIES = 100  # the kernel asks to try again when folders are renamed meanwhile
_FOLDERS_AT_MOST = 100  # that are made for one path, links included
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW
_ID = re.compile(r"[0-9]{1,9}:[0-9]{1,9}")
MOST_BYTES = 1_000_000
MOST_FILES = 10_000
MOST_DEPTH = 32


@dataclass(frozen=True)
class Found:
    """A regular file: its path below the folder that was listed, its size in bytes, its time in seconds."""

    path: str
    size: int
    changed: float


class Tree:
    """The files below `root`. Paths are the node's: `/etc/passwd`. Errors are OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def account(self, user: str) -> tuple[int, int, str]:
        """Return uid, gid and home folder of a user of the tree; KeyError if there is none."""
        for line in self.read("/etc/passwd").decode(errors="replace").splitlines():
            match line.split(":"):
                case [name, _, uid, gid, _, home, _] if name == user and _ID.fullmatch(f"{uid}:{gid}"):
                    return int(uid), int(gid), home
        raise KeyError(f"no user {user} in {self._root}")

    def status(self, path: str) -> Status | None:
        """Return the stat result of a file, or of a link's target; None if there is none."""
        with contextlib.suppress(OSError), _closing(self._open(path, os.O_PATH)) as descriptor:
            return os.fstat(descriptor)
        return None

    def read(self, path: str) -> bytes:
        """Return a regular file's first MOST_BYTES; links are followed as the node would."""
        with _file(self._open(path, os.O_RDONLY | os.O_NONBLOCK), path) as file:
            return file.read(MOST_BYTES)

    def open_below(self, folder: str, path: str) -> IO[bytes]:
        """Open a regular file for reading. No link may lead out of `folder`, and `path` may not be one."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
        with _closing(self._open(folder, os.O_DIRECTORY | os.O_PATH)) as top:
            return _file(_openat2(top, path, flags, _BENEATH), path)

    def write(self, path: str, data: bytes, *, owner: str = "root", mode: int = 0o644) -> None:
        """Put a file in place of whatever is there but a folder, in one step. Folders above it are made."""
        self.create(path, data, owner=owner, mode=mode).close()

    def create(self, path: str, data: bytes = b"", *, owner: str = "root", mode: int = 0o644) -> IO[bytes]:
        """Write a file, as `write` does, and return it, open for more and without a buffer."""
        uid, gid, _ = self.account(owner)
        above, name = _split(path)
        temporary = f".emrbox-{secrets.token_hex(8)}"
        with _closing(self._folder(above)) as folder:
            file = os.fdopen(os.open(temporary, _CREATE, 0o600, dir_fd=folder), "wb", buffering=0)
            try:
                os.fchown(file.fileno(), uid, gid)
                os.fchmod(file.fileno(), mode)
                write_all(file, data)
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                file.close()
                os.unlink(temporary, dir_fd=folder)
                raise
        return file

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a regular file, which may not be a link; `write` it if it is not there."""
        above, name = _split(path)
        with _closing(self._folder(above)) as folder:
            try:
                descriptor = _openat2(folder, name, _APPEND, _BENEATH)
            except FileNotFoundError:
                self.write(path, data)
                return
            with _file(descriptor, path, "ab") as file:
                write_all(file, data)

    def make_folder(self, path: str, owner: str = "root", mode: int = 0o755) -> None:
        """Make a folder, or give an existing one this owner and mode; folders above it are owned by root."""
        uid, gid, _ = self.account(owner)
        with _closing(self._folder(path)) as folder:
            os.fchown(folder, uid, gid)
            os.fchmod(folder, mode)

    def link(self, path: str, target: str) -> None:
        """Make a link in place of whatever is there but a folder."""
        above, name = _split(path)
        with _closing(self._folder(above)) as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.symlink(target, name, dir_fd=folder)

    def remove(self, path: str) -> None:
        """Remove a file or a link, if it is there."""
        above, name = _split(path)
        with contextlib.suppress(FileNotFoundError), _closing(self._open(above, _FOLDER)) as folder:
            os.unlink(name, dir_fd=folder)

    def clear(self, path: str) -> None:
        """Remove what a folder holds, if it is there."""
        with contextlib.suppress(FileNotFoundError), _closing(self._open(path, _FOLDER)) as folder:
            for name in os.listdir(folder):  # noqa: PTH208  # a descriptor, not a path
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)

    def files(self, folder: str) -> list[Found]:
        """Return the regular files below a folder, MOST_FILES at most.

        Links are not followed, and what vanishes meanwhile is left out.
        """
        found: list[Found] = []
        with contextlib.suppress(OSError), _closing(self._open(folder, _FOLDER)) as top:
            _list(top, "", found, MOST_DEPTH)
        return found

    def _open(self, path: str, flags: int) -> int:
        with _closing(os.open(self._root, _FOLDER | os.O_PATH)) as top:
            return _openat2(top, path, flags, _IN_ROOT)

    def _folder(self, path: str, left: int = _FOLDERS_AT_MOST) -> int:
        """Open a folder; it and those above it are made when they are not there."""
        with contextlib.suppress(FileNotFoundError):
            return self._open(path, _FOLDER)
        if not left:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        above, name = _split(path)
        with _closing(self._folder(above, left - 1)) as folder:
            try:
                os.mkdir(name, 0o755, dir_fd=folder)
            except FileExistsError:
                with contextlib.suppress(OSError):  # a link to what is not there: that is made
                    target = os.readlink(name, dir_fd=folder)
                    path = target if target.startswith("/") else f"{above}/{target}"
        return self._folder(path, left - 1)


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write to an unbuffered file: one call may write less."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _list(folder: int, prefix: str, found: list[Found], depth: int) -> None:
    """Add a folder's files in order of their names, then those of the folders in it."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    folders.append(entry.name)
                elif stat.S_ISREG(status.st_mode) and len(found) < MOST_FILES:
                    found.append(Found(prefix + entry.name, status.st_size, status.st_mtime))
    for name in folders if depth else []:
        with (
            contextlib.suppress(OSError),
            _closing(os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)) as inner,
        ):
            _list(inner, f"{prefix}{name}/", found, depth - 1)


def _split(path: str) -> tuple[str, str]:
    """Return the folder and the name of a path."""
    _encoded(path)
    above, _, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "not the path of a file", path)
    return above or "/", name


def _encoded(path: str) -> bytes:
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        name = b"\0"
    if b"\0" in name:
        raise OSError(errno.EINVAL, "not a path", path)
    return name


def _openat2(top: int, path: str, flags: int, how: int) -> int:
    """Open a path below a folder as `how` says: the kernel decides, while others change the tree."""
    name = _encoded(path)
    # struct open_how: flags, mode, resolve.
    described = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, how | _NO_MAGIC_LINKS)
    for _ in range(_TRIES):
        try:
            return namespaces.call(
                "syscall", ctypes.c_long(_OPENAT2), top, name, described, ctypes.c_size_t(len(described))
            )
        except BlockingIOError:
            continue
        except OSError as problem:
            raise OSError(problem.errno, problem.strerror, path) from None
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)


def _file(descriptor: int, path: str, mode: str = "rb") -> IO[bytes]:
    """Return a descriptor as a file, unless it is something else."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", path)
    return os.fdopen(descriptor, mode)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
