"""A commit of a model repo as one archive in the cache, whole or not there at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kiln.errors import PreflightError, UsageError
from kiln.model_repo import contents, git_process, git_remote, versions
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiln.model_repo.git_remote import Remote

# The mode of a submodule in a tree (git-ls-tree(1)).
_LINK_MODE = "160000 "


def check_name(name: str) -> str:
    """Return the model repo's name if it can be a folder's. Raises UsageError."""
    if not names.FOLDER.fullmatch(name):
        raise UsageError(
            f"model_repo_name is {names.shown(name)}: expected {names.FOLDER_WORDS}",
            fix="correct it in group_vars",
        )
    return name


def folder(cache_dir: Path) -> Path:
    """Return where the archives lie in Kiln's cache (kiln_cache_dir)."""
    return cache_dir / "models"


def archive(remote: Remote, commit: str, name: str, cache: Path) -> tuple[Path, str]:
    """Fetch a commit unless the cache has it; return its archive and the archive's SHA-256 in hex.

    Raises UsageError for values that cannot be used and for a commit with submodules or files of Git LFS,
    PreflightError when git, the remote or the disk refuses.
    """
    remote.check()
    versions.check_commit(commit)
    objects = cache / f"{check_name(name)}.git"
    target = cache / f"{name}-{commit}.tar"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Two runs may come here at the same time.
        with _locked(objects.with_suffix(".git.lock")):
            found = contents.read(target)
            if not found.is_whole:
                _fetch(remote, commit, objects)
                _pack(commit, objects, target)
                found = contents.read(target)
            submodule = _submodule(remote, commit, objects, found.empty_folders)
        contents.check(commit, submodule, found.pointer)
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


def _fetch(remote: Remote, commit: str, objects: Path) -> None:
    git_remote.make_repository(str(objects))
    if _has(commit, objects):
        return
    with git_remote.connected(remote) as connection:
        if git_remote.fetch_commit(connection, str(objects), commit):
            return
        git_remote.fetch_all(connection, str(objects))
    if not _has(commit, objects):
        raise PreflightError(
            f"the git remote {remote.url} (model_repo_url) does not serve commit {commit}, "
            "and no branch and no tag of it leads there",
            fix="push a branch or a tag that holds the commit, or name another commit",
        )


def _has(commit: str, objects: Path) -> bool:
    arguments = (f"--git-dir={objects}", "cat-file", "-e", f"{commit}^{{commit}}")
    return git_process.run(arguments, git_remote.FETCH_SECONDS, "git").returncode == 0


def _submodule(remote: Remote, commit: str, objects: Path, empty_folders: tuple[str, ...]) -> str:
    """Return the first of the empty folders that is a submodule; empty for none."""
    if not empty_folders:
        return ""
    # The cache may hold the archive only.
    _fetch(remote, commit, objects)
    arguments = (f"--git-dir={objects}", "ls-tree", "-r", "-z", commit)
    finished = git_process.run(arguments, git_remote.FETCH_SECONDS, "git")
    # Each entry: MODE TYPE ID, a tab, the path.
    rows = [entry.partition("\t") for entry in finished.stdout.split("\0")]
    links = {path for meta, _, path in rows if meta.startswith(_LINK_MODE)}
    return next((folder for folder in empty_folders if folder in links), "")


def _pack(commit: str, objects: Path, target: Path) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    partial = Path(name)
    arguments = (
        *(f"--git-dir={objects}", "-c", "tar.umask=0022", "archive", "--format=tar"),
        *(f"--add-virtual-file={contents.LAST}:{commit}", "-o", str(partial), commit),
    )
    try:
        finished = git_process.run(arguments, git_remote.FETCH_SECONDS, "git")
        if finished.returncode != 0:
            raise PreflightError(
                f"git archive of the model repo failed: {git_process.reported(finished)}",
                fix="free some space in kiln_cache_dir; if that is not it, remove the model repo there",
            )
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
