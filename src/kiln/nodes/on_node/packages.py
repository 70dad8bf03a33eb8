"""OS packages: one transaction of dnf for all that are missing."""

from __future__ import annotations

import os
import time

from kiln.nodes.on_node.items import OK, ItemError, Outcome, finished_run

TYPE_CHECKING = False  # typing takes a node 4 ms
if TYPE_CHECKING:
    from kiln.nodes.on_node.items import Item

# dnf(8), "EXIT CODES": 200 is a problem with acquiring or releasing of locks.
_LOCKED = 200
_RETRY_SECONDS = 1.0
_ENGLISH = {"LC_ALL": "C.UTF-8"}
# How rpm begins its line about each name that is neither installed nor provided.
_NOBODY = "no package provides "


def apply(item: Item, *, check: bool) -> Outcome:
    """Install what is missing. The node's repositories say which signatures are checked."""
    missing = _missing(item["names"])
    if not missing:
        return OK
    if not check:
        _install(missing, item["lock_timeout_seconds"])
    return Outcome(changed=True, diff="".join(f"+ {name}\n" for name in missing))


def _missing(names: list[str]) -> list[str]:
    """Ask once for all names: each start of rpm takes as long as all other work of a node without changes."""
    # By name or by what a package provides, as dnf finds it.
    command = ["rpm", "-q", "--whatprovides", "--", *names]
    finished = finished_run(command, env={**os.environ, **_ENGLISH})
    if finished.returncode == 0:
        return []
    said = {line.removeprefix(_NOBODY) for line in finished.stdout.splitlines() if line.startswith(_NOBODY)}
    # dnf decides about all where rpm names none of them.
    return [name for name in names if name in said] or names


def _install(names: list[str], lock_timeout_seconds: float) -> None:
    """Run dnf until the package database is free: a fresh node may still be busy with security updates."""
    ends_at = time.monotonic() + lock_timeout_seconds
    command = ["dnf", "-y", "--setopt=exit_on_lock=True", "install", "--", *names]
    while True:
        finished = finished_run(command, env={**os.environ, **_ENGLISH})
        if finished.returncode != _LOCKED:
            break
        if time.monotonic() >= ends_at:
            raise ItemError(f"the package database was in use for {lock_timeout_seconds:.0f} s")
        time.sleep(_RETRY_SECONDS)
    if finished.returncode != 0:
        said = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
        raise ItemError("dnf: " + ("; ".join(said[:4]) or f"exit code {finished.returncode}"))
