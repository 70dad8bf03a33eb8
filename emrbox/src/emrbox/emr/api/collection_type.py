"""Instance groups and instance fleets are mutually exclusive: operations for the one refuse the other.

The words of ListInstanceGroups and their ErrorCode are EMR's, from turbot/steampipe-plugin-aws issue 1222;
those of ListInstanceFleets are from that plugin's source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.aws.errors import invalid_request

if TYPE_CHECKING:
    from emrbox.emr.life.model import Cluster

EXCLUSIVE = "Instance fleets and instance groups are mutually exclusive."


def uses_fleets(cluster: Cluster) -> bool:
    """Whether the cluster is made of fleets."""
    return any(group.fleet for group in cluster.groups)


def of(cluster: Cluster) -> str:
    """Return DescribeCluster's InstanceCollectionType."""
    return "INSTANCE_FLEET" if uses_fleets(cluster) else "INSTANCE_GROUP"


def require_groups(cluster: Cluster, operation: str, instead: str) -> None:
    """Refuse an operation on groups for a cluster of fleets."""
    if uses_fleets(cluster):
        code = "API_DOES_NOT_SUPPORT_INSTANCE_FLEET_CLUSTERS"
        raise invalid_request(_words("instance fleets", operation, instead), ErrorCode=code)


def require_fleets(cluster: Cluster, operation: str, instead: str) -> None:
    """Refuse an operation on fleets for a cluster of groups.

    The ErrorCode is a guess after that of operations on groups.
    """
    if not uses_fleets(cluster):
        code = "API_DOES_NOT_SUPPORT_INSTANCE_GROUP_CLUSTERS"
        raise invalid_request(_words("instance groups", operation, instead), ErrorCode=code)


def _words(used: str, operation: str, instead: str) -> str:
    """Return EMR's words of two operations; that the others use the same is a guess."""
    return (
        f"{EXCLUSIVE} The EMR cluster specified in the request uses {used}. The {operation} operation does "
        f"not support clusters that use {used}. Use the {instead} operation instead."
    )
