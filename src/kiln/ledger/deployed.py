"""What lies on the nodes of a run's cluster, as its ledger has it: a part of what identifies its steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kiln.errors import UsageError
from kiln.identity import CLUSTER_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger

# A git commit (SHA-1 or SHA-256), and group_vars/all/python_environment.yml's name of an environment.
_FORMS = {"commit": re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}"), "environment": re.compile(r"[0-9a-f]{16}")}

_MOST_COMMITS = 100


class Deployed(NamedTuple):
    """What was put on nodes of a cluster; an empty value stays as it was there.

    `nodes` has the fingerprints of what each instance has now, by item. `is_whole`: this is for all nodes of
    the cluster, and later ones have to have the `items` too; else only `nodes` is written. `is_rollback`: the
    commit had been active before, and what came after it is undone.
    """

    cluster_id: str
    commit: str = ""
    environment: str = ""
    is_rollback: bool = False
    items: Mapping[str, str] = {}
    nodes: Mapping[str, Mapping[str, str]] = {}
    is_whole: bool = True

    def check(self) -> None:
        """Raise UsageError for what is no commit, environment or cluster."""
        _check(self.cluster_id, commit=self.commit, environment=self.environment)

    def write(self, run: Run) -> None:
        """Write it into a ledger, which keeps nothing that was on another cluster."""
        if run.deployed_cluster_id != self.cluster_id:
            run.deployed_commit, run.deployed_environment, run.deployed_commits = "", "", []
            run.deployed_items, run.deployed_nodes = {}, {}
        run.deployed_cluster_id = self.cluster_id
        had = run.deployed_nodes
        has = {node: had.get(node, {}) | dict(items) for node, items in self.nodes.items()}
        run.deployed_nodes = has if self.is_whole and has else had | has
        if not self.is_whole:
            return
        run.deployed_items = run.deployed_items | dict(self.items)
        run.deployed_commits = self._commits(run)
        run.deployed_commit = self.commit or run.deployed_commit
        run.deployed_environment = self.environment or run.deployed_environment

    def is_in(self, run: Run) -> bool:
        """Return whether a ledger has it already."""
        after = msgspec.structs.replace(run)
        self.write(after)
        return after == run

    def _commits(self, run: Run) -> list[str]:
        # Older ledgers have the last one only.
        before = run.deployed_commits or [run.deployed_commit] * bool(run.deployed_commit)
        if not self.commit or before[-1:] == [self.commit]:
            return before
        if self.is_rollback and self.commit in before:
            return before[: len(before) - before[::-1].index(self.commit)]
        return [*before, self.commit][-_MOST_COMMITS:]


def record(ledger: Ledger, what: Deployed) -> bool:
    """Write down what was put on the nodes of a cluster; return whether the ledger had something else.

    A run without a ledger gets none. Raises UsageError, LedgerUnreadableError, and what S3's answers raise.
    """
    what.check()
    run = ledger.read()
    if run is None or what.is_in(run):
        return False
    ledger.update(what.write)
    return True


def commits_on(run: Run | None, cluster_id: str) -> list[str]:
    """Return the commits that were active on a cluster's nodes, the present one last."""
    if run is None or run.deployed_cluster_id != cluster_id:
        return []
    return run.deployed_commits or [run.deployed_commit] * bool(run.deployed_commit)


def differing(run: Run | None, cluster_id: str, nodes: Iterable[str]) -> list[str]:
    """Return the instances that do not have what every node has to have, as far as is known."""
    if run is None or run.deployed_cluster_id != cluster_id:
        return []
    wanted = run.deployed_items.items()
    return [node for node in nodes if not wanted <= run.deployed_nodes.get(node, {}).items()]


def _check(cluster_id: str, **values: str) -> None:
    if not CLUSTER_ID.fullmatch(cluster_id):
        raise UsageError(f"cluster_id is {ascii(cluster_id)[:60]}: expected j-…", fix="name the cluster")
    for kind, value in values.items():
        if value and not _FORMS[kind].fullmatch(value):
            raise UsageError(
                f"the {kind} on the nodes is {ascii(value)[:80]}: expected {_FORMS[kind].pattern}",
                fix="deploy again",
            )
