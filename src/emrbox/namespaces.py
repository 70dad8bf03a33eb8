"""The few system calls on namespaces and mounts that Python 3.11 does not have."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# From <linux/sched.h> and <linux/mount.h>.
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 0x2

_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Leave the namespaces in `flags` for new ones. CLONE_NEWNET concerns the calling thread only."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def join(pid: int, kinds: tuple[str, ...]) -> None:
    """Put this process (of one thread) into namespaces of another; `kinds` are names of /proc/PID/ns.

    A user namespace comes first: it gives the right to the others.
    """
    for kind in kinds:
        descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(descriptor, 0), f"the {kind} namespace of process {pid}")
        finally:
            os.close(descriptor)


def mount(source: str, target: Path, kind: str, flags: int = 0, data: str = "") -> None:
    """Put a file system of `kind` at `target`. Flags and data are those of the system call."""
    arguments = (source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(_libc.mount(*arguments), str(target))


def unmount(target: Path) -> None:
    """Take a mount out of the tree now; it ends when nothing uses it any more."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), str(target))


def make_mounts_private() -> None:
    """Keep what is mounted here from now on out of the namespace that this one was copied from."""
    _check(_libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "/")


def overlay_options(layers: tuple[Path, ...], upper: Path, work: Path) -> str:
    """Return mount options of an overlay: `layers` topmost first, below the writable `upper`.

    volatile: nodes are thrown away, so nobody needs their files to survive a power cut.
    """

    def quote(path: Path) -> str:
        return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")

    lower = ":".join(quote(layer) for layer in layers)
    options = f"lowerdir={lower},upperdir={quote(upper)},workdir={quote(work)},volatile"
    return options if os.geteuid() == 0 and not in_user_namespace() else options + ",userxattr"


def in_user_namespace() -> bool:
    """Return whether root here is an ordinary user outside."""
    with open("/proc/self/uid_map") as mapping:  # noqa: PTH123  # a procfs file; Path adds nothing
        return mapping.read().split() != ["0", "0", "4294967295"]


def in_new_network(work: Callable[[], T]) -> T:
    """Run `work` in a thread that has a new network namespace.

    Sockets that it opens and processes that it starts stay in that namespace; it lives as long as one does.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def thread() -> None:
        try:
            unshare(CLONE_NEWNET)
            outcome.append(work())
        except BaseException as problem:  # noqa: BLE001  # raised again in the caller's thread
            failure.append(problem)

    worker = threading.Thread(target=thread, name="new-network")
    worker.start()
    worker.join()
    if failure:
        raise failure[0]
    return outcome[0]
