"""The nodes that a run works on: those that ListInstances shows for its cluster, checked."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from kiln.errors import ClusterNotFoundError
from kiln.identity import CLUSTER_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# i- and 8 or 17 hex digits: EC2 User Guide, "Resource IDs".
_INSTANCE_ID = re.compile(r"i-[0-9a-f]{8}(?:[0-9a-f]{9})?")
_GROUPS = {"MASTER": "emr_master", "CORE": "emr_core", "TASK": "emr_task"}
_AT_WORK = frozenset({"RUNNING"})
# Bootstrap actions run on a node before Hadoop does; whoever names the node may set it up then.
_REACHABLE = _AT_WORK | {"BOOTSTRAPPING"}
# "This" network and broadcast (RFC 6890), and IPv4 addresses in the form of IPv6, whatever they are.
_UNUSABLE = tuple(ip_network(text) for text in ("0.0.0.0/8", "255.255.255.255/32", "::ffff:0:0/96"))


def running(cluster: Mapping[str, Any], only: Iterable[str] = ()) -> list[dict[str, str]]:
    """Return the running nodes of a cluster as emr_cluster_info describes it: name, group, instance_id.

    `name` is the private IP address, `group` emr_master, emr_core or emr_task. With instance ids in `only` it
    is these nodes, also while their bootstrap actions run. Raises ClusterNotFoundError when there is none and
    for what cannot be a node: whatever it is, no playbook connects to it.
    """
    cluster_id = str(cluster.get("id"))
    if not CLUSTER_ID.fullmatch(cluster_id):
        raise _wrong(cluster_id, "that is no id of a cluster")
    chosen, wanted = frozenset(only), _REACHABLE if only else _AT_WORK
    found = [node for node in cluster.get("instances", ()) if node.get("state") in wanted]
    nodes = [_node(cluster_id, node) for node in found]
    nodes = [node for node in nodes if not chosen or node["instance_id"] in chosen]
    if not nodes:
        named = f" among {', '.join(sorted(map(ascii, chosen)))}" if chosen else ""
        raise ClusterNotFoundError(
            f"cluster {cluster_id!a} has no running node{named}",
            fix="wait until it can run steps, or launch another one",
        )
    by_name: dict[str, str] = {}
    for node in nodes:
        other = by_name.setdefault(node["name"], node["instance_id"])
        if other != node["instance_id"]:
            raise _wrong(cluster_id, f"{other} and {node['instance_id']} have one address, {node['name']}")
    return list({node["name"]: node for node in nodes}.values())


def _node(cluster_id: str, node: Mapping[str, Any]) -> dict[str, str]:
    instance_id, address = str(node.get("ec2_instance_id")), str(node.get("private_ip_address"))
    if not _INSTANCE_ID.fullmatch(instance_id):
        raise _wrong(cluster_id, f"{ascii(instance_id)[:60]} is no id of an instance")
    parsed = _address(address)
    if parsed is None:
        raise _wrong(
            cluster_id, f"{instance_id} has the address {ascii(address)[:60]}, which is no IP address"
        )
    group = _GROUPS.get(str(node.get("group")))
    if group is None:
        raise _wrong(cluster_id, f"{instance_id} is neither MASTER nor CORE nor TASK")
    return {"name": str(parsed), "group": group, "instance_id": instance_id}


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address that can be another machine's.

    Not this machine's, not a link's (169.254.169.254 serves credentials on EC2), without a scope in it.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    unusable = address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local
    listed = any(address in network for network in _UNUSABLE)
    return None if unusable or listed or "%" in text else address


def _wrong(cluster_id: str, problem: str) -> ClusterNotFoundError:
    return ClusterNotFoundError(
        f"ListInstances of cluster {ascii(cluster_id)[:60]}: {problem}",
        fix="check the cluster in the EMR console; no playbook runs on it",
    )
