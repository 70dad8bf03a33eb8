"""A commit of a model repo as one archive in the cache, whole or not there at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tarfile
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kiln.errors import PreflightError, UsageError
from kiln.model_repo import git_remote
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Iterator

FETCH_SECONDS = 1800
# The last member of every archive: git writes it after all others, so an archive that has it is whole.
_LAST = ".kiln-release"


def check_name(name: str) -> str:
    """Return the model repo's name if it can be a folder's. Raises UsageError."""
    if not names.FOLDER.fullmatch(name):
        raise UsageError(
            f"model_repo_name is {names.shown(name)}: expected {names.FOLDER_WORDS}",
            fix="correct it in group_vars",
        )
    return name


def archive(url: str, commit: str, name: str, cache: Path) -> tuple[Path, str]:
    """Fetch a commit unless the cache has it; return its archive and the archive's SHA-256 in hex.

    Raises UsageError for values that cannot be used and PreflightError when git or the disk refuses.
    """
    git_remote.check_url(url)
    git_remote.check_commit(commit)
    objects = cache / f"{check_name(name)}.git"
    target = cache / f"{name}-{commit}.tar"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Two runs may come here at the same time.
        with _locked(objects.with_suffix(".git.lock")):
            if not _is_whole(target):
                _fetch(url, commit, objects)
                _pack(commit, objects, target)
        with target.open("rb") as stream:
            return target, hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PreflightError(
            f"the cache {cache} (kiln_cache_dir) cannot be used: {error.strerror}",
            fix="free some space there and make it writable, or set kiln_cache_dir",
        ) from error


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _is_whole(file: Path) -> bool:
    last = ""
    with suppress(OSError, tarfile.TarError), tarfile.open(file) as opened:
        for member in opened:
            last = member.name
    return last == _LAST


def _git(verb: str, *arguments: str) -> None:
    finished = git_remote.run(arguments, FETCH_SECONDS, "the git remote of model_repo_url")
    if finished.returncode != 0:
        raise PreflightError(
            f"git {verb} of the model repo failed: {git_remote.reported(finished)}",
            fix="check model_repo_url and the space in kiln_cache_dir",
        )


def _fetch(url: str, commit: str, objects: Path) -> None:
    # No template: its hooks would come along.
    _git("init", "init", "--quiet", "--bare", "--template=", "--", str(objects))
    place = f"--git-dir={objects}"
    known = git_remote.run([place, "cat-file", "-e", f"{commit}^{{tree}}"], FETCH_SECONDS, "git")
    if known.returncode != 0:
        options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance")
        _git("fetch", place, "fetch", *options, "--", url, commit)


def _pack(commit: str, objects: Path, target: Path) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        _git(
            *("archive", f"--git-dir={objects}", "-c", "tar.umask=0022", "archive", "--format=tar"),
            *(f"--add-virtual-file={_LAST}:{commit}", "-o", str(partial), commit),
        )
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
