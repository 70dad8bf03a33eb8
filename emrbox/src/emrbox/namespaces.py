"""The few system calls on namespaces and mounts that Python 3.11 does not have."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# From <linux/sched.h> and <linux/mount.h>.
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
MNT_DETACH = 0x2
_CLONE_FS = 0x200
_PIVOT_ROOT = 155  # its number on x86_64; glibc has no function for it

_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def call(function: str, *arguments: Any) -> int:
    """Call a function of the C library; OSError when it returns a negative number."""
    result = int(getattr(_libc, function)(*arguments))
    if result < 0:
        _check(result, function)
    return result


def prctl(option: int, value: int, more: Any = 0) -> int:
    """Change or read what the kernel keeps for the calling thread. OSError when it refuses."""
    third = more if isinstance(more, ctypes.Array) else ctypes.c_ulong(more)
    return call("prctl", ctypes.c_int(option), ctypes.c_ulong(value), third, *[ctypes.c_ulong(0)] * 2)


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
    """Detach a mount from the tree now; it ends when nothing uses it any more."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), str(target))


def enter_root() -> None:
    """Make the working folder, a mount, the root of this mount namespace; unmount the old root."""
    call("syscall", ctypes.c_long(_PIVOT_ROOT), b".", b".")
    _check(_libc.umount2(b".", MNT_DETACH), "the old root")
    os.chdir("/")


def make_mounts_private() -> None:
    """Stop mounts from being propagated to the namespace that this one was copied from."""
    _check(_libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "/")


def overlay_options(layers: Sequence[Path], upper: Path, work: Path) -> str:
    """Return mount options of an overlay: `layers` topmost first, below the writable `upper`.

    volatile: nodes are thrown away, so their files need not survive a power cut.
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
    return _in_thread(lambda: unshare(CLONE_NEWNET), work)


def in_those_of(process: int, flags: int, work: Callable[[], T]) -> T:
    """Run `work` in a thread that is in another process's namespaces; `process` is a pidfd, `flags` which.

    `process` may also be a descriptor of one namespace, and `flags` its kind. Other threads stay where
    they are. With CLONE_NEWNS `work` sees the other's files: it must import nothing and execute nothing
    before it is confined. With CLONE_NEWPID what it starts is in that namespace.
    """

    def enter() -> None:
        if flags & CLONE_NEWNS:
            unshare(_CLONE_FS)  # a thread that shares its root and working folder cannot change them
        _check(_libc.setns(process, ctypes.c_int(flags)), "the namespaces of a node")

    return _in_thread(enter, work)


def _in_thread(enter: Callable[[], None], work: Callable[[], T]) -> T:
    outcome: list[T] = []
    failure: list[BaseException] = []

    def thread() -> None:
        try:
            enter()
            outcome.append(work())
        except BaseException as problem:  # noqa: BLE001  # raised again in the caller's thread
            failure.append(problem)

    worker = threading.Thread(target=thread, name="other-namespaces")
    worker.start()
    worker.join()
    if failure:
        raise failure[0]
    return outcome[0]
