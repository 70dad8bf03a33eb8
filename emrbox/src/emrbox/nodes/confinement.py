"""What every process of a node is started with: few capabilities, and system calls that are refused.

A node's root is uid 0 of the host in a box that root started. What it must not do to the host is refused
here, once for the node's first process and once for each process that the box starts in it. Both tables
follow what container engines give by default (capabilities(7), seccomp(2)). no_new_privs is not set: sudo
needs it off.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from emrbox import namespaces

# By their numbers in <linux/capability.h>: what sshd, sudo, rpm and the packages' scripts need.
KEPT_CAPABILITIES = {
    "chown": 0,
    "dac_override": 1,
    "fowner": 3,
    "fsetid": 4,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "setpcap": 8,
    "net_bind_service": 10,
    "sys_chroot": 18,
    "audit_write": 29,
    "setfcap": 31,
}
# By their numbers on x86_64. Without a capability most of them fail anyway; what a kernel bug or a new user
# namespace would make of them is refused too.
REFUSED_CALLS = {
    "syslog": 103,
    "uselib": 134,
    "sysfs": 139,
    "pivot_root": 155,
    "_sysctl": 156,
    "acct": 163,
    "settimeofday": 164,
    "mount": 165,
    "umount2": 166,
    "swapon": 167,
    "swapoff": 168,
    "reboot": 169,
    "iopl": 172,
    "ioperm": 173,
    "init_module": 175,
    "delete_module": 176,
    "quotactl": 179,
    "lookup_dcookie": 212,
    "clock_settime": 227,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "fanotify_init": 300,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "kcmp": 312,
    "finit_module": 313,
    "kexec_file_load": 320,
    "bpf": 321,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
    "quotactl_fd": 443,
}
_CLONE, _CLONE3 = 56, 435
_NEW_NAMESPACES = 0x7E020000  # all CLONE_NEW… flags
_X32_CALLS = 0x40000000  # the same calls under other numbers
_AUDIT_ARCH_X86_64 = 0xC000003E

# From <linux/prctl.h>, <linux/seccomp.h> and <linux/filter.h>.
_PR_SET_SECCOMP, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 22, 23, 24, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_LOAD, _EQUAL, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES_AT_MOST = 64


def confine() -> None:
    """Confine what the calling thread executes from now on; the thread itself keeps its capabilities.

    Until it executes something, no process of the node can trace it: it has more capabilities.
    OSError when the kernel refuses: nothing must be executed then.
    """
    namespaces.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _clear_inheritable()
    kept = frozenset(KEPT_CAPABILITIES.values())
    for capability in range(_CAPABILITIES_AT_MOST):
        if capability in kept:
            continue
        try:
            if namespaces.prctl(_PR_CAPBSET_READ, capability):
                namespaces.prctl(_PR_CAPBSET_DROP, capability)
        except OSError as problem:
            if problem.errno != errno.EINVAL:
                raise
            break  # this kernel knows no more
    _filter_calls()


def _clear_inheritable() -> None:
    """Make nothing inheritable: that would survive the bounding set when root executes a program."""
    header = ctypes.create_string_buffer(struct.pack("=II", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(24)  # twice: effective, permitted, inheritable
    namespaces.call("capget", header, data)
    words = list(struct.unpack("=6I", data.raw[:24]))
    words[2] = words[5] = 0
    namespaces.call("capset", header, ctypes.create_string_buffer(struct.pack("=6I", *words)))


def _filter_calls() -> None:
    code = program()
    instructions = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a length, padding, a pointer.
    described = struct.pack("=H6xQ", len(code) // 8, ctypes.addressof(instructions))
    namespaces.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(described))


def program() -> bytes:
    """Return the filter as the kernel wants it: a list of struct sock_filter."""
    refuse, unknown = _FAIL | errno.EPERM, _FAIL | errno.ENOSYS
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT_ARCH_X86_64),
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_CALLS),
        (_RETURN, 0, 0, refuse),
        # A filter cannot read clone3's flags, which are in memory: libraries then use clone.
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, unknown),
    ]
    for number in REFUSED_CALLS.values():
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    lines += [
        (_EQUAL, 0, 3, _CLONE),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_HAS_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, refuse),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
