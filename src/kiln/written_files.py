"""Several files written as one change: all of them, or none."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODE = 0o644


def write_all(new: Mapping[Path, str], changed: Mapping[Path, str]) -> None:
    """Make new files, and replace the text of others. Whatever goes wrong, nothing is left half done.

    Raises FileExistsError for a new file that is there already, OSError, and what interrupts it.
    """
    before = {path: path.read_bytes() for path in changed}
    made: list[Path] = []
    folders: list[Path] = []
    try:
        for path, text in new.items():
            folders += _made_folders(path.parent)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w") as file:
                made.append(path)
                file.write(text)
        for path, text in changed.items():
            _replace(path, text.encode())
    except BaseException:
        for path, content in before.items():
            if path.read_bytes() != content:
                _replace(path, content)
        for path in made:
            path.unlink(missing_ok=True)
        for folder in reversed(folders):
            with suppress(OSError):  # somebody else has put something into it
                folder.rmdir()
        raise


def _made_folders(folder: Path) -> list[Path]:
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir()
    return list(reversed(missing))


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
