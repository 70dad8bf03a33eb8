"""The security groups of a cluster's nodes, as EMR makes and fills them (emr-facts 2.11).

Recorded only: the box's network carries everything between its nodes, whatever the rules say. emrbox makes
the default groups itself and does not ask whether the service role might.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import InvalidPermissionDuplicateError

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY_TAG = "for-use-with-amazon-emr-managed-policies"
# Names of the groups that EMR makes in a public subnet when a launch names none (Management Guide).
DEFAULT_NAMES = {"Master": "ElasticMapReduce-master", "Slave": "ElasticMapReduce-slave"}
DESCRIPTIONS = {
    "Master": "Master group for Elastic MapReduce created by EMR",
    "Slave": "Slave group for Elastic MapReduce created by EMR",
}
ALL_PORTS = ((("tcp", 0, 65535)), ("udp", 0, 65535), ("icmp", -1, -1))
_lock = threading.Lock()


def managed_groups(
    backend: Any, instances: dict[str, Any], subnet_id: str | None, tags: Mapping[str, str]
) -> dict[str, str]:
    """Return "Master" and "Slave" -> the managed group's id, made when the launch names none.

    `backend` is moto's EC2 of the account, `instances` the launch's Instances. The rules that EMR needs are
    added to them, whoever made them. Those that are made here have the tag of EMR's managed policies if the
    cluster has it in its `tags`: those policies ask for it (emr-facts 9).
    """
    own = {name: value for name, value in tags.items() if name == POLICY_TAG}
    named = {kind: instances.get(f"EmrManaged{kind}SecurityGroup") for kind in DEFAULT_NAMES}
    with _lock:
        vpc_id = _vpc_of(backend, subnet_id)
        found = {kind: given or _default_group(backend, kind, vpc_id, own) for kind, given in named.items()}
        for group_id in found.values():
            for other_id in set(found.values()):
                _allow(backend, group_id, other_id)
        return found


def _vpc_of(backend: Any, subnet_id: str | None) -> str:
    if subnet_id:
        return str(backend.get_subnet(subnet_id).vpc_id)
    return str(next(iter(backend.get_default_subnets().values())).vpc_id)


def _default_group(backend: Any, kind: str, vpc_id: str, tags: Mapping[str, str]) -> str:
    name = DEFAULT_NAMES[kind]
    group = backend.get_security_group_from_name(name, vpc_id)
    if group is None:
        group = backend.create_security_group(name, DESCRIPTIONS[kind], vpc_id=vpc_id, tags=dict(tags))
    return str(group.id)


def _allow(backend: Any, group_id: str, source_id: str) -> None:
    if backend.get_security_group_from_id(group_id) is None:
        return  # RunInstances says so better
    for protocol, first, last in ALL_PORTS:
        try:
            backend.authorize_security_group_ingress(
                group_id, protocol, first, last, [], [{"GroupId": source_id}]
            )
        except InvalidPermissionDuplicateError:
            continue
