"""Which commit is wanted: a branch, or a version (branch, tag or commit), as names that git may be given."""

from __future__ import annotations

import re
from typing import NamedTuple

from kiln.errors import PreflightError, UsageError
from kiln.settings import names

HEADS, TAGS = "refs/heads/", "refs/tags/"
BRANCH_KEY, VERSION_KEY = "model_repo_branch", "model_repo_version"
_LONGEST = 1000
_SHORTEST_ID = 7
_WHOLE = frozenset({40, 64})
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})")
_START_OF_ID = re.compile(rf"[0-9a-f]{{{_SHORTEST_ID},64}}")
# git-check-ref-format(1), with the signs of a glob pattern: ls-remote takes patterns.
_NO_REF = re.compile(r"\.\.|@\{|//|[ ~^:?*\[\\]|^[-/]|[/.]$|(?:^|/)\.|\.lock(?:/|$)|^@$")
# What ls-remote adds to the name of an annotated tag, for the commit that it is of.
_PEELED = "^{}"


class Wanted(NamedTuple):
    """What the setting `key` asks for: the full names of refs, or an id of a commit, or one of both."""

    key: str
    name: str
    refs: tuple[str, ...] = ()
    commit: str = ""

    @property
    def is_whole_commit(self) -> bool:
        """Return whether it is the whole id of a commit. git never takes such a name for that of a ref."""
        return len(self.commit) in _WHOLE

    @property
    def patterns(self) -> list[str]:
        """Return what ls-remote is asked for: with the commits that annotated tags are of."""
        return [name + more for name in self.refs for more in ("", _PEELED)]


def wanted(branch: str, version: str = "") -> Wanted:
    """Return what is asked for: the version, or the branch when there is none. Raises UsageError.

    The branch is never taken for a tag. A version is a branch, a tag, `refs/heads/…` or `refs/tags/…`, or
    the id of a commit, at least 7 of its hex digits.
    """
    if not version:
        return Wanted(BRANCH_KEY, _check(BRANCH_KEY, branch, "branch"), (HEADS + branch,))
    _check(VERSION_KEY, version, "branch, tag or commit")
    commit = version if _START_OF_ID.fullmatch(version) else ""
    if version.startswith((HEADS, TAGS)):
        refs: tuple[str, ...] = (version,)
    else:
        refs = () if len(commit) in _WHOLE else (HEADS + version, TAGS + version)
    return Wanted(VERSION_KEY, version, refs, commit)


def _check(key: str, name: str, what: str) -> str:
    if not name or len(name) > _LONGEST or not name.isprintable() or _NO_REF.search(name):
        raise UsageError(
            f"{key} is {names.shown(name)}: no name of a {what}",
            fix="set it to the whole name, without * or ?",
        )
    return name


def check_commit(commit: str) -> str:
    """Return the id if it is one. Raises UsageError."""
    if not _COMMIT.fullmatch(commit):
        raise UsageError(f"{names.shown(commit)} is no commit", fix="give its whole id, 40 or 64 hex digits")
    return commit


def listed(answer: str) -> dict[str, str]:
    """Return ref -> commit from ls-remote's answer; an annotated tag has the commit that it is of.

    A line that is none is left out: a server may answer anything.
    """
    rows = [line.split("\t") for line in answer.splitlines()]
    found = {row[1]: row[0] for row in rows if len(row) == 2 and _COMMIT.fullmatch(row[0])}  # noqa: PLR2004  # id, ref
    plain = {name: commit for name, commit in found.items() if not name.endswith(_PEELED)}
    return {name: found.get(name + _PEELED, commit) for name, commit in plain.items()}


def chosen(asked: Wanted, refs: dict[str, str]) -> str | None:
    """Return the commit of the one ref that is meant, None for none. Raises PreflightError for two."""
    found = {name: refs[name] for name in asked.refs if name in refs}
    if len(found) > 1:
        both = ", ".join(f"{name} is {commit}" for name, commit in found.items())
        raise PreflightError(
            f"{asked.key} is {asked.name}: the git remote has a branch and a tag of this name ({both})",
            fix=f"set {asked.key} to {HEADS}{asked.name} or to {TAGS}{asked.name}",
        )
    return next(iter(found.values()), None)
