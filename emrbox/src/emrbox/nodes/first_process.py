"""From new mount, pid, uts and ipc namespaces into a node: its own /proc, /dev, /run, then its first process.

Run as `python -m emrbox.nodes.first_process ROOT HOST_NAME`. Nothing of the node's own files is executed
before this process is confined: a node that boots again, or an image of one, may have replaced any of them.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

from emrbox import namespaces
from emrbox.errors import BoxError
from emrbox.nodes import confinement

_NOSUID, _NODEV, _NOEXEC = namespaces.MS_NOSUID, namespaces.MS_NODEV, namespaces.MS_NOEXEC
# Place, kind, flags, options; in this order.
_MOUNTS = (
    ("proc", "proc", _NOSUID | _NODEV | _NOEXEC, ""),
    ("sys", "sysfs", _NOSUID | _NODEV | _NOEXEC | namespaces.MS_RDONLY, ""),
    ("dev", "tmpfs", _NOSUID, "mode=755,size=16m"),
    ("dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"),
    ("dev/shm", "tmpfs", _NOSUID | _NODEV, "mode=1777"),
    ("dev/mqueue", "mqueue", _NOSUID | _NODEV | _NOEXEC, ""),
    ("run", "tmpfs", _NOSUID | _NODEV, "mode=755"),
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "dev/ptmx": "pts/ptmx",
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
}
# What in /proc and /sys is of the whole machine, as container engines treat it (the OCI runtime
# specification's readonlyPaths and maskedPaths), and the rest of what its root could write or read. No kernel
# has all of it.
_READ_ONLY = ("proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger", "proc/mtrr")
# Of what is read-only, settings that the kernel keeps for each network by itself. Not all of proc/sys/net:
# with net.ipv4.ip_nonlocal_bind a node could send from another one's address.
_OWN = ("proc/sys/net/core",)
_HIDDEN = (
    *("proc/acpi", "proc/asound", "proc/config.gz", "proc/driver", "proc/dynamic_debug", "proc/interrupts"),
    *("proc/iomem", "proc/ioports", "proc/kallsyms", "proc/kcore", "proc/key-users", "proc/keys"),
    *("proc/kmsg", "proc/kpagecgroup", "proc/kpagecount", "proc/kpageflags", "proc/latency_stats"),
    *("proc/sched_debug", "proc/scsi", "proc/slabinfo", "proc/timer_list", "proc/timer_stats"),
    *("proc/vmallocinfo", "proc/vmcore", "sys/firmware", "sys/devices/virtual/powercap"),
    *("sys/kernel/debug", "sys/kernel/security", "sys/kernel/tracing", "sys/fs/bpf"),
)
_INIT = "/usr/lib/emrbox/init"
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "linux",
    "container": "emrbox",
}


def main() -> None:
    """Enter the node and become its first process."""
    root, host_name = sys.argv[1:]
    socket.sethostname(host_name)
    namespaces.mount(root, Path(root), "", namespaces.MS_BIND)
    os.chdir(root)
    _check_folders()
    for place, kind, flags, options in _MOUNTS:
        if "/" in place:
            Path(place).mkdir()
        namespaces.mount(kind, Path(place), kind, flags, options)
        if place == "dev":
            _make_devices()
    for place in _OWN:
        namespaces.mount(place, Path(place), "", namespaces.MS_BIND)
    for place in _READ_ONLY:
        _make_read_only(Path(place))
    for place in _HIDDEN:
        _hide(Path(place))
    namespaces.enter_root()
    confinement.confine()
    os.execve(_INIT, [_INIT], _ENVIRONMENT)  # noqa: S606  # this process becomes it


def _check_folders() -> None:
    """Refuse a link in place of a folder: the mount would land elsewhere, and the node be without it."""
    for place in ("proc", "sys", "dev", "run"):
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise BoxError(f"the image's /{place} is not a folder")


def _make_devices() -> None:
    for device in _DEVICES:
        place = Path("dev", device)
        place.touch()
        namespaces.mount(f"/dev/{device}", place, "", namespaces.MS_BIND)
    for link, target in _LINKS.items():
        Path(link).symlink_to(target)


def _make_read_only(place: Path) -> None:
    if place.exists():
        namespaces.mount(str(place), place, "", namespaces.MS_BIND | namespaces.MS_REC)
        flags = _NOSUID | _NODEV | _NOEXEC | namespaces.MS_RDONLY
        namespaces.mount("", place, "", namespaces.MS_BIND | namespaces.MS_REMOUNT | flags)


def _hide(place: Path) -> None:
    if place.is_dir():
        flags = _NOSUID | _NODEV | _NOEXEC | namespaces.MS_RDONLY
        namespaces.mount("tmpfs", place, "tmpfs", flags, "size=0,mode=755")
    elif place.exists():
        namespaces.mount("/dev/null", place, "", namespaces.MS_BIND)


if __name__ == "__main__":
    main()
