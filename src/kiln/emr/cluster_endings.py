"""The end of a cluster as the cause of what failed on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import clusters, states
from kiln.emr.descriptions import end_of
from kiln.errors import KilnError, PlaybookError

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.ledger.store import Ledger


def cause_of(context: Context, ledger: Ledger, cluster_id: str | None, error: PlaybookError) -> PlaybookError:
    """Return the error of a playbook whose cluster has ended under it; else the error as it is.

    Ansible only sees connections that break. When AWS cannot be asked, Ansible's error stays. Without a
    `cluster_id` it is the last cluster of the ledger.
    """
    if error.exit_code != PlaybookError.exit_code:
        return error
    kept = ledger.read_if_possible() if cluster_id is None else None
    known = cluster_id or (kept.cluster_ids[-1] if kept and kept.cluster_ids else None)
    try:
        cluster = clusters.seen(context, known) if known else None
    except KilnError:
        return error
    if cluster is None or cluster.state not in states.CLUSTER_ENDING | states.CLUSTER_ENDED:
        return error
    return PlaybookError(
        f"{end_of(cluster)} during a playbook ({error.message})",
        details=error.details,
        fix="launch again; CloudTrail shows who called TerminateJobFlows"
        if cluster.reason_code == states.USER_REQUEST
        else error.fix,
    )
