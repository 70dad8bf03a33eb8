"""Releases of the model repo that molecule/playbooks/make_remote.sh makes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from scenario import FOLDER

if TYPE_CHECKING:
    from testinfra.host import Host


def commit_of(tag: str) -> str:
    """Return the commit of a release, as the remote has it."""
    command = ["git", "-C", str(FOLDER / "remote"), "rev-parse", tag]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def on(host: Host, root: str) -> set[str]:
    """Return the commits that a node has."""
    return set(host.check_output(f"ls -A {root}/releases").split())
