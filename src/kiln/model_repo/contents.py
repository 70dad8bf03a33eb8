"""What an archive of a commit holds, read from the archive itself: whether it is whole, and what it lacks.

git archive leaves out what lies in other repositories. A submodule is an empty folder there, and a file kept
by Git LFS is its pointer (git-lfs/docs/spec.md): jobs would fail on the cluster, or read the pointer as data.
"""

from __future__ import annotations

import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from kiln.errors import UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from pathlib import Path

# The last member of every archive: git writes it after all others, so an archive that has it is whole.
LAST = ".kiln-release"
# A pointer is smaller, and begins with one of these: the present form and the ones before it.
_POINTER_BYTES = 1024
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")


class Contents(NamedTuple):
    """What was seen in an archive.

    `empty_folders` are submodules, or folders of which all is left out (export-ignore in gitattributes(5)).
    `pointer` is the first file that Git LFS keeps elsewhere, empty for none.
    """

    is_whole: bool = False
    empty_folders: tuple[str, ...] = ()
    pointer: str = ""


def read(file: Path) -> Contents:
    """Return what an archive that git has written holds; one that is damaged is not whole."""
    last, pointer = "", ""
    empty: dict[str, None] = {}
    with suppress(OSError, tarfile.TarError), tarfile.open(file) as opened:
        for member in opened:
            last = member.name
            # git writes a folder before what lies in it.
            empty.pop(last.rpartition("/")[0], None)
            if member.isdir():
                empty[last] = None
            elif not pointer and _is_pointer(opened, member):
                pointer = last
    return Contents(last == LAST, tuple(empty), pointer)


def _is_pointer(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    if not member.isreg() or member.size >= _POINTER_BYTES:
        return False
    stream = opened.extractfile(member)
    return stream is not None and stream.read(_POINTER_BYTES).startswith(_POINTERS)


def check(commit: str, submodule: str, pointer: str) -> None:
    """Raise UsageError for a commit of which files lie elsewhere; the paths are the first ones, or empty."""
    if submodule:
        raise UsageError(
            f"the model repo's commit {commit} has a submodule, {names.shown(submodule)}: "
            "its files are in another repository",
            fix="commit the files themselves, or install them as a package (emr_node_python_requirements)",
        )
    if pointer:
        raise UsageError(
            f"the model repo's commit {commit} has a file of Git LFS, {names.shown(pointer)}: "
            "the repository holds a pointer to it only",
            fix="commit the file itself (git lfs migrate export), or keep it in S3 and read it in the job",
        )
