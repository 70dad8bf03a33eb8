"""The places that have the logs of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.diagnosis.node_logs import NodeLogs
from kiln.diagnosis.stored_logs import StoredLogs
from kiln.errors import KilnError

if TYPE_CHECKING:
    from kiln.aws.effects import Cluster, Effects
    from kiln.diagnosis.logs import Source
    from kiln.diagnosis.ssh import Ssh


def of_cluster(effects: Effects, cluster: Cluster, ssh: Ssh) -> list[Source]:
    """Return the places that have logs, the best first: live nodes, then S3."""
    stored = StoredLogs(effects, cluster.log_uri, cluster.id)
    try:
        nodes = [node for node in effects.list_instances(cluster.id) if node.state == "RUNNING"]
    except KilnError:
        nodes = []
    masters = [node.private_ip_address for node in nodes if node.group == "MASTER"]
    if not masters or cluster.state not in {"RUNNING", "WAITING"}:
        return [stored]
    others = [node.private_ip_address for node in nodes if node.group != "MASTER"]
    return [NodeLogs(ssh.knowing(nodes), masters[0], others), stored]
