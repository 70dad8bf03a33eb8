"""A cluster that ended or lost its nodes as the cause of a playbook's failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import evidence, states, verdict_table
from kiln.emr.descriptions import end_of
from kiln.emr.verdict_facts import Awaited
from kiln.errors import PlaybookError
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.ledger.store import Ledger


def cause_of(context: Context, ledger: Ledger, cluster_id: str | None, error: PlaybookError) -> PlaybookError:
    """Return the error of a playbook with the class of what became of its cluster; else the error as it is.

    Ansible only sees connections that break. When AWS cannot be asked, Ansible's error stays. Without a
    `cluster_id` it is the last cluster of the ledger. Raises InterruptedRunError.
    """
    if error.exit_code != PlaybookError.exit_code:
        return error
    kept = ledger.read_if_possible() if cluster_id is None else None
    known = cluster_id or (kept.cluster_ids[-1] if kept and kept.cluster_ids else None)
    cluster = evidence.seen_cluster(context, known) if known else ""
    if isinstance(cluster, str):
        return error
    row = verdict_table.judge(evidence.of_cluster(context, cluster, awaited=Awaited.PLAYBOOK))
    if row.failure_class is FailureClass.PROVISION:
        return error
    is_over = cluster.state in states.CLUSTER_ENDING | states.CLUSTER_ENDED
    what = end_of(cluster) if is_over else f"cluster {cluster.id}: {row.evidence}"
    return PlaybookError(
        f"{what} during a playbook ({error.message})",
        details=error.details,
        fix=row.meaning.what_to_do,
        exit_code=row.exit_code,
        failure_class=row.failure_class,
    )
