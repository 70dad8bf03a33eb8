"""A folder that is there whole or not at all: filled beside its place, and given its name at the end."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from kiln.nodes.on_node.items import finished_run

TYPE_CHECKING = False  # typing takes a node 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = ".incoming-"


def remove_leftovers(folder: str) -> None:
    """Remove what a killed transfer or unpacking has left. Only one may be at work on a node."""
    for left in [one.path for one in os.scandir(folder) if one.name.startswith(_PREFIX)]:
        _remove(left)


@contextmanager
def beside(folder: str) -> Iterator[str]:
    """Make an empty folder there, for root only, that is removed at the end with all that is still in it."""
    made = f"{folder}/{_PREFIX}{os.urandom(8).hex()}"
    os.mkdir(made, 0o700)
    try:
        yield made
    finally:
        _remove(made)


def _remove(path: str) -> None:
    """Remove a folder or a file; a link, and not what it points to."""
    with suppress(OSError):
        os.rmdir(path)
        return
    finished_run(["rm", "-rf", "--", path])


def put(filled: str, place: str, aside: str) -> None:
    """Give a folder its name. An old one is moved into `aside` first: a folder cannot replace one."""
    if os.path.lexists(place):
        os.rename(place, f"{aside}/old")
    os.rename(filled, place)


def link(target: str, place: str, aside: str) -> None:
    """Let a relative link point elsewhere, by a rename: a reader sees the old target or the new one."""
    made = f"{aside}/link"
    os.symlink(target, made)
    os.replace(made, place)
