"""A folder that is there whole or not at all: filled beside its place, and given its name at the end."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = ".incoming-"


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed transfer or unpacking has left. Only one may be at work on a node."""
    for left in folder.glob(f"{_PREFIX}*"):
        if left.is_dir() and not left.is_symlink():
            _remove(left)
        else:
            with contextlib.suppress(OSError):
                left.unlink()


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Make an empty folder there, for root only, that is removed at the end with all that is still in it."""
    import tempfile  # noqa: PLC0415  # most runs change nothing

    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    try:
        yield made
    finally:
        _remove(made)


def _remove(folder: Path) -> None:
    import shutil  # noqa: PLC0415  # most runs change nothing

    shutil.rmtree(folder, ignore_errors=True)


def put(filled: Path, place: Path, aside: Path) -> None:
    """Give a folder its name. An old one is moved into `aside` first: a folder cannot replace one."""
    if place.is_symlink() or place.exists():
        place.rename(aside / "old")
    filled.rename(place)


def link(target: str, place: Path, aside: Path) -> None:
    """Let a relative link point elsewhere, by a rename: a reader sees the old target or the new one."""
    made = aside / "link"
    made.symlink_to(target)
    made.replace(place)
