"""Which release of a model repo a rollback goes back to: one that lies whole on every node.

The previous one is by the order of activation, which the ledger has (Run.deployed_commits), and a rollback
undoes: after deploys of A, B and C the first goes back to B and the second to A.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from kiln.errors import PreflightError, UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})")
_START_OF_ID = re.compile(r"[0-9a-f]{7,64}")
_MOST_SHOWN = 5


def whole(found: Any) -> set[str]:
    """Return the releases that lie whole on a node, from what ansible.builtin.find says of it.

    `found` are the files releases/COMMIT/.kiln-release with their SHA-256: each holds the commit, and is
    written last. A node may say anything: what is no such file is left out.
    """
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    named = {_release_of(entry.get("path")): entry.get("checksum") for entry in entries}
    return {
        commit
        for commit, checksum in named.items()
        if _COMMIT.fullmatch(commit) and checksum == hashlib.sha256(commit.encode()).hexdigest()
    }


def _release_of(path: object) -> str:
    parts = path.rsplit("/", 2) if isinstance(path, str) else []
    return parts[1] if len(parts) == 3 else ""  # noqa: PLR2004  # folder, release, file


def choose(active: Sequence[str], nodes: Mapping[str, set[str]], release: str = "") -> str:
    """Return the commit to go back to: the release that is named, or the one before the active one.

    `active` are the commits in the order of their activation, the present one last. Raises UsageError for
    what is no commit, PreflightError when there is none, or a node does not have it.
    """
    everywhere = sorted(set.intersection(*nodes.values())) if nodes else []
    commit = _named(release, nodes, everywhere) if release else _previous(active, everywhere)
    missing = sorted(name for name, has in nodes.items() if commit not in has)
    if missing:
        more = f" and {len(missing) - _MOST_SHOWN} more" if len(missing) > _MOST_SHOWN else ""
        raise PreflightError(
            f"release {commit} is not on {', '.join(missing[:_MOST_SHOWN])}{more}: no node was switched",
            details=_shown(everywhere),
            fix=f"deploy it: model_repo_version={commit}",
        )
    return commit


def _named(release: str, nodes: Mapping[str, set[str]], everywhere: Sequence[str]) -> str:
    if not _START_OF_ID.fullmatch(release):
        raise UsageError(
            f"release is {names.shown(release)}: expected a commit, at least 7 digits of its id",
            fix="-e release=COMMIT",
        )
    found = sorted({one for has in nodes.values() for one in has if one.startswith(release)})
    if len(found) != 1:
        what = f"{len(found)} releases begin with {release}" if found else f"no node has release {release}"
        raise PreflightError(
            what,
            details=tuple(found[:_MOST_SHOWN]) or _shown(everywhere),
            fix="name another one by -e release=COMMIT, or deploy it",
        )
    return found[0]


def _previous(active: Sequence[str], everywhere: Sequence[str]) -> str:
    if len(active) > 1:
        return active[-2]
    known = f"before {active[-1]}" if active else "on this cluster"
    raise PreflightError(
        f"there is no release to go back to: the ledger has none that was active {known}",
        details=_shown([one for one in everywhere if one not in active]),
        fix="name one that lies on the nodes by -e release=COMMIT, or deploy another one",
    )


def _shown(everywhere: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"on all nodes: {commit}" for commit in everywhere[:_MOST_SHOWN])
