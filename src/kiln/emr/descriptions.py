"""Clusters as people, playbooks and JSON see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import identity
from kiln.aws.effects import Cluster
from kiln.emr import states
from kiln.emr.ownership import identity_of

if TYPE_CHECKING:
    from kiln.aws.effects import ClusterSummary
    from kiln.identity import Identity

# The auto-termination policy may report the same code with another text (docs/aws_facts.md 14.3).
_BY_USER = frozenset({"", "Terminated by user request"})


def line(cluster: Cluster | ClusterSummary) -> str:
    """Return a cluster as one line of a list; only a `Cluster` has tags to compare with its name."""
    named = identity.of_name(cluster.name)
    run = f"run {named.run_id}" if named else f"name {cluster.name!r}"
    differs = isinstance(cluster, Cluster) and identity_of(cluster) is None
    note = "  (not confirmed by its tags)" if differs else ""
    return f"{cluster.id}  {cluster.state}  {run}  started {cluster.created_at:%Y-%m-%d %H:%M} UTC{note}"


def describe_change(cluster: Cluster) -> str:
    """Return a cluster's state as a line for people."""
    reason = f" ({cluster.reason_message.strip()})" if cluster.reason_message.strip() else ""
    return f"cluster {cluster.id}: {cluster.state}{reason}"


def end_of(cluster: Cluster) -> str:
    """Return how a cluster ended, or is ending, as a clause."""
    if cluster.reason_code == states.USER_REQUEST and cluster.reason_message.strip() in _BY_USER:
        return f"cluster {cluster.id} was terminated by user request"
    why = ": ".join(filter(None, (cluster.reason_code, cluster.reason_message.strip())))
    return f"cluster {cluster.id} is {cluster.state} ({why or 'AWS gives no reason'})"


def described(cluster: Cluster) -> dict[str, str]:
    """Return a cluster as the modules and the commands' JSON show it; names that are none are empty."""
    return described_for(cluster, identity_of(cluster))


def described_for(cluster: Cluster, of: Identity | None) -> dict[str, str]:
    """Return a cluster in the same form for a run: its own one, or an existing one that it uses."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "state": cluster.state,
        "run_id": of.run_id if of else "",
        "pipeline": of.pipeline if of else "",
        "environment": of.environment if of else "",
        "master_public_dns_name": cluster.master_public_dns_name,
        "release_label": cluster.release_label,
        "log_uri": cluster.log_uri,
    }
