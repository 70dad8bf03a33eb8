"""The node of a cluster that a person names: by its kind, its address, its name in DNS, or an id."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from kiln.errors import ClusterNotFoundError, UsageError

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Instance

MASTER = "master"
_ALIASES = {"core": "core-1", "task": "task-1", f"{MASTER}-1": MASTER}
# The private name that EC2 gives an instance (docs/aws_facts.md 2.11), with or without its domain.
_DNS_NAME = re.compile(r"ip-(\d+)-(\d+)-(\d+)-(\d+)(?:\..*)?")


def chosen(context: Context, cluster_id: str, wanted: str = MASTER) -> Instance:
    """Return a node that has an address. Raises UsageError for a name that none has, with those there are.

    `wanted` is `master`, `core-2` (by address, from 1 on; `core` is the first), an address, a private DNS
    name, or an id of EC2 or EMR. Raises ClusterNotFoundError while no node has an address.
    """
    nodes = [one for one in context.effects.list_instances(cluster_id) if one.private_ip_address]
    names = _names(nodes)
    if not names:
        raise ClusterNotFoundError(
            f"cluster {cluster_id} has no node with an address yet", fix="try again when it has started"
        )
    dns = _DNS_NAME.fullmatch(wanted)
    searched = ".".join(dns.groups()) if dns else _ALIASES.get(wanted, wanted)
    for name, node in names.items():
        if searched in {name, node.private_ip_address, node.ec2_instance_id, node.id}:
            return node
    raise UsageError(
        f"cluster {cluster_id} has no node {wanted}",
        fix="name one of these: --node NAME",
        details=tuple(
            f"{name}  {one.private_ip_address}  {one.ec2_instance_id}" for name, one in names.items()
        ),
    )


def _names(nodes: list[Instance]) -> dict[str, Instance]:
    """Return the nodes by the names that people use, the master first."""
    found: dict[str, Instance] = {}
    for kind in ("MASTER", "CORE", "TASK"):
        same = sorted(
            (one for one in nodes if one.group == kind), key=lambda one: IPv4Address(one.private_ip_address)
        )
        # A cluster may have three masters.
        found |= {f"{kind.lower()}-{number}": node for number, node in enumerate(same, 1)}
    return {MASTER if name == f"{MASTER}-1" else name: node for name, node in found.items()}
