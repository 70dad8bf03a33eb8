"""What lies on the nodes of a run's cluster, as its ledger has it: a part of what identifies its steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kiln.errors import UsageError
from kiln.identity import CLUSTER_ID

if TYPE_CHECKING:
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger

# A git commit (SHA-1 or SHA-256), and group_vars/all/python_environment.yml's name of an environment.
_FORMS = {"commit": re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}"), "environment": re.compile(r"[0-9a-f]{16}")}


def record(ledger: Ledger, cluster_id: str, *, commit: str = "", environment: str = "") -> bool:
    """Write down what was put on the nodes of a cluster; an empty value stays as it was there.

    Returns whether the ledger had something else. A run without a ledger gets none. Raises UsageError for
    what is no commit, environment or cluster, LedgerUnreadableError, and what S3's answers raise.
    """
    _check(cluster_id, commit=commit, environment=environment)

    def change(run: Run) -> None:
        run.deployed_commit, run.deployed_environment = _after(run, cluster_id, commit, environment)
        run.deployed_cluster_id = cluster_id

    run = ledger.read()
    if run is None or is_recorded(run, cluster_id, commit=commit, environment=environment):
        return False
    ledger.update(change)
    return True


def is_recorded(run: Run, cluster_id: str, *, commit: str = "", environment: str = "") -> bool:
    """Return whether the ledger has this already."""
    before = (run.deployed_commit, run.deployed_environment)
    same = _after(run, cluster_id, commit, environment) == before
    return same and run.deployed_cluster_id == cluster_id


def _after(run: Run, cluster_id: str, commit: str, environment: str) -> tuple[str, str]:
    """Return what the ledger has afterwards: nothing that was on another cluster."""
    same = run.deployed_cluster_id == cluster_id
    return (
        commit or (run.deployed_commit if same else ""),
        environment or (run.deployed_environment if same else ""),
    )


def _check(cluster_id: str, **values: str) -> None:
    if not CLUSTER_ID.fullmatch(cluster_id):
        raise UsageError(f"cluster_id is {ascii(cluster_id)[:60]}: expected j-…", fix="name the cluster")
    for kind, value in values.items():
        if value and not _FORMS[kind].fullmatch(value):
            raise UsageError(
                f"the {kind} on the nodes is {ascii(value)[:80]}: expected {_FORMS[kind].pattern}",
                fix="deploy again",
            )
