"""Block public access, checked when a cluster starts: what its security groups open to everybody.

EMR looks at the inbound rules of each group of a cluster in a public subnet (docs/aws_facts.md 2.11). The
box's subnets count as public; a launch that names a service-access group is one in a private subnet: only
there EMR has such a group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends

from emrbox.config import REGION
from emrbox.emr.life import endings
from emrbox.emr.life.layer import StartFailureError
from emrbox.emr.machines.security_groups import DEFAULT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.security import PortRange

EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
ALL: PortRange = (-1, 65535)


def check_public_access(cluster: Cluster) -> None:
    """Raise StartFailureError if a group of the cluster opens a port to everybody that is not permitted."""
    access, instances = cluster.public_access, cluster.request["Instances"]
    if not access.is_blocked or instances.get("ServiceAccessSecurityGroup"):
        return
    wrong = [
        str(group.id)
        for group in _groups(cluster)
        if not all(access.permits(opened) for opened in _opened_to_everybody(group))
    ]
    if wrong:
        raise StartFailureError(endings.by_public_access(wrong, access))


def _groups(cluster: Cluster) -> list[Any]:
    """Return moto's groups: managed ones, and those that the launch adds.

    A hollow cluster gets no managed groups: those count that it names or, if they are there, EMR's own.
    """
    backend, instances = ec2_backends[cluster.account_id][REGION], cluster.request["Instances"]
    found: dict[str, Any] = {}
    for kind, name in DEFAULT_NAMES.items():
        given = cluster.security_groups.get(kind) or instances.get(f"EmrManaged{kind}SecurityGroup")
        managed = (
            backend.get_security_group_from_id(given)
            if given
            else backend.get_security_group_from_name(name, cluster.vpc_id)
        )
        added = instances.get(f"Additional{kind}SecurityGroups", [])
        for group in (managed, *map(backend.get_security_group_from_id, added)):
            if group is not None:
                found[group.id] = group
    return list(found.values())


def _opened_to_everybody(group: Any) -> Iterator[PortRange]:
    for rule in list(group.ingress_rules):
        if EVERYBODY & {rule.cidr_ipv4, rule.cidr_ipv6}:
            # "-1" is every protocol, without ports. ICMP has types there, and no ports: -1 (a guess).
            if str(rule.ip_protocol) == "-1":
                yield ALL
            elif str(rule.ip_protocol).startswith("icmp"):
                yield (-1, -1)
            else:
                yield (int(rule.from_port), int(rule.to_port))
