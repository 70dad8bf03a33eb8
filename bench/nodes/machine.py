"""The machine and the versions of what took part."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from nodes.figures import Machine
from nodes.site import CHECKOUT, python_of

_GIB = 2**30
# By environment of scripts/setup --bench: the package whose version counts.
_TOOLS = {"mitogen": "mitogen", "pyinfra": "pyinfra", "asyncssh": "asyncssh"}


def describe() -> Machine:
    """Return what this machine is."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return Machine(
        processor=found[1] if found else platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1),
        kernel=platform.release(),
    )


def versions() -> dict[str, str]:
    """Return the version of everything that took part."""
    commit = _said(["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"])
    found = {
        "Kiln": f"{metadata.version('kiln')} ({commit})",
        "ansible-core": metadata.version("ansible-core"),
        "OpenSSH": re.split(r"[, ]", _said(["ssh", "-V"]))[0].removeprefix("OpenSSH_"),
        "rsync": _said(["rsync", "--version"]).split()[2],
        "Python": platform.python_version(),
    }
    for name, package in _TOOLS.items():
        script = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
        found[package] = _said([str(python_of(name) / "python"), "-c", script])
    return found


def _said(command: list[str]) -> str:
    finished = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30
    )
    return finished.stdout.strip()
