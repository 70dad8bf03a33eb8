"""A node's disk that is full: an overlay without free space over its folders.

What the folders hold stays readable; what is written or changed needs space in the overlay. Files directly
in / are left out: nothing can be mounted over the root of running processes. The files that sshd opens at
each login have their space already, as they would on a disk: logging in by ssh still works.

Nothing that the node has is executed: mounting needs rights that no process of a node may have.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emrbox.emr.machines.node_access import MachineNode

Mounted = list[tuple[Path, int]]  # places and devices of what was mounted, in order

_LAYER = Path("/run/full")
_LAYER_BYTES, _BLOCK = 4 * 1024 * 1024, bytes(4096)
_NOT_ON_DISK = frozenset({"dev", "proc", "run", "sys"})
_OF_SSHD = ("secure", "wtmp", "btmp", "lastlog")
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def fill(node: MachineNode, paths: Sequence[str], mounted: Mounted) -> None:
    """Leave no space below `paths`, or on the whole disk for `/`. OSError when that fails.

    What is mounted for it is added to `mounted`.
    """
    attributes = ",userxattr" if namespaces.in_user_namespace() else ""  # the node's /proc is another
    node.inside(lambda: _fill(paths, mounted, attributes), namespaces.CLONE_NEWNS)


def empty(node: MachineNode, mounted: Mounted) -> None:
    """Take away what `fill` has mounted."""
    node.inside(lambda: _empty(mounted), namespaces.CLONE_NEWNS)


def _fill(paths: Sequence[str], mounted: Mounted, attributes: str) -> None:
    _LAYER.mkdir(exist_ok=True)
    if not _LAYER.is_mount():
        namespaces.mount("tmpfs", _LAYER, "tmpfs", namespaces.MS_NODEV, f"size={_LAYER_BYTES}")
        mounted.append((_LAYER, _LAYER.stat().st_dev))
    for folder in _folders(paths):
        own = _LAYER / str(len(list(_LAYER.iterdir())))
        upper, work = own / "upper", own / "work"
        for made in (own, upper, work):
            made.mkdir()
        with _working_in(folder) as status:
            upper.chmod(status.st_mode & 0o7777)
            os.chown(upper, status.st_uid, status.st_gid)
            options = f"lowerdir=.,upperdir={upper},workdir={work}{attributes}"
            namespaces.mount("overlay", Path(), "overlay", namespaces.MS_NODEV, options)
        mounted.append((folder, folder.stat().st_dev))
    for name in _OF_SSHD:
        with contextlib.suppress(OSError):
            os.close(os.open(f"/var/log/{name}", _APPEND))
    _fill_layer()


def _fill_layer() -> None:
    with (_LAYER / "full").open("xb", buffering=0) as file:
        try:
            for _ in range(_LAYER_BYTES // len(_BLOCK)):
                file.write(_BLOCK)
        except OSError as problem:
            if problem.errno != errno.ENOSPC:
                raise


def _folders(paths: Sequence[str]) -> Iterator[Path]:
    for path in paths:
        for folder in sorted(Path("/").iterdir()) if path == "/" else [Path("/", path)]:
            left_out = path == "/" and (folder.is_symlink() or folder.name in _NOT_ON_DISK)
            if folder.is_dir() and not left_out:
                yield folder


def _empty(mounted: Mounted) -> None:
    for place, device in reversed(mounted):
        # The node may have moved it, and put a link to another mount there: to one that protects the host.
        with contextlib.suppress(FileNotFoundError), _working_in(place) as status:
            if status.st_dev == device:
                namespaces.unmount(Path())


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[os.stat_result]:
    """Make a folder this thread's working folder, so that it cannot be replaced; yields its stat result."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fchdir(descriptor)
        yield os.fstat(descriptor)
    finally:
        os.chdir("/")
        os.close(descriptor)
