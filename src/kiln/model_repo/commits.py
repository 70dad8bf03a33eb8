"""From a branch, a tag or a commit id to the commit that the remote has under it."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from kiln.errors import PreflightError
from kiln.model_repo import git_remote, versions

if TYPE_CHECKING:
    from kiln.model_repo.git_remote import Connection, Remote
    from kiln.model_repo.versions import Wanted

_MOST_SHOWN = 5
_COMMITS_ONLY = "--filter=tree:0"


def resolve(remote: Remote, asked: Wanted, timeout_seconds: float = git_remote.TIMEOUT_SECONDS) -> str:
    """Return the commit that is asked for, 40 or 64 hex digits.

    Raises UsageError for a value that is never given to git, PreflightError when the remote has no such
    branch, tag or commit, has two, cannot be read, or does not answer in time.
    """
    with git_remote.connected(remote) as connection:
        # All refs for a whole id: a commit that one of them is at needs no further question.
        finished = connection.git(timeout_seconds, "ls-remote", "--quiet", "--", remote.url, *asked.patterns)
        if finished.returncode != 0:
            raise git_remote.refused(connection, finished)
        refs = versions.listed(finished.stdout)
        if asked.is_whole_commit and asked.commit in refs.values():
            return asked.commit
        found = versions.chosen(asked, refs)
        if found is None and asked.commit:
            found = _find_commit(connection, asked)
    if found is None:
        what = "branch" if asked.key == versions.BRANCH_KEY else "branch, tag or commit"
        raise PreflightError(
            f"the git remote {remote.url} has no {what} {asked.name} ({asked.key})",
            fix=f"push it, or correct {asked.key}",
        )
    return found


def _find_commit(connection: Connection, asked: Wanted) -> str | None:
    """Return the commit that an id, or its first digits, is of; None for none. Raises PreflightError for two.

    Where the server can leave out files and folders, only commits are fetched.
    """
    with tempfile.TemporaryDirectory(prefix="kiln-") as folder:
        git_remote.make_repository(folder)
        own = (f"--git-dir={folder}",)
        if asked.is_whole_commit and git_remote.fetch_commit(connection, folder, asked.commit, _COMMITS_ONLY):
            kind = connection.git(git_remote.FETCH_SECONDS, *own, "cat-file", "-t", asked.commit)
            return asked.commit if kind.stdout.strip() == "commit" else None
        git_remote.fetch_all(connection, folder, _COMMITS_ONLY)
        listed = connection.git(git_remote.FETCH_SECONDS, *own, "rev-list", "--all").stdout.split()
    found = sorted(commit for commit in listed if commit.startswith(asked.commit))
    if len(found) > 1:
        raise PreflightError(
            f"{asked.key} is {asked.name}: {len(found)} commits begin with it",
            details=tuple(found[:_MOST_SHOWN]),
            fix=f"set {asked.key} to the whole id",
        )
    return found[0] if found else None
