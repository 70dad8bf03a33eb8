"""Files of this checkout, laid over what an image or a package is made of."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def lay_over(tree: Path, folder: Path) -> None:
    """Copy a tree into a folder for everyone to read.

    Git keeps whether a file can be executed; the rest of a file's mode is the umask of who has cloned it.
    """
    shutil.copytree(tree, folder, symlinks=True, dirs_exist_ok=True)
    for source in (tree, *tree.rglob("*")):
        if not source.is_symlink():
            executable = source.is_dir() or source.stat().st_mode & 0o100
            (folder / source.relative_to(tree)).chmod(0o755 if executable else 0o644)
