"""The security groups of a cluster's nodes, made and filled as EMR does it: with the service role.

Recorded only: the box's network carries everything between its nodes, whatever the rules say.
Source: docs/aws_facts.md 2.11.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POLICY_TAG = "for-use-with-amazon-emr-managed-policies"
# Names of the groups that EMR makes in a public subnet when a launch names none (Management Guide).
DEFAULT_NAMES = {"Master": "ElasticMapReduce-master", "Slave": "ElasticMapReduce-slave"}
DESCRIPTIONS = {
    "Master": "Master group for Elastic MapReduce created by EMR",
    "Slave": "Slave group for Elastic MapReduce created by EMR",
}
ALL_PORTS = (("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1))
_lock = threading.Lock()


def managed_groups(
    ec2: Any, instances: dict[str, Any], subnet_id: str | None, tags: Mapping[str, str]
) -> dict[str, str]:
    """Return "Master" and "Slave" -> the managed group's id, made when the launch names none.

    `ec2` is a client that acts as the service role, `instances` the launch's Instances. The rules that EMR
    needs are added to the groups where they are missing, whoever made them. Groups that are made here have
    the tag of EMR's managed policies if the cluster has it in its `tags`: those policies ask for it
    (docs/aws_facts.md 9). Raises botocore's ClientError when EC2 or IAM refuses.
    """
    own = {name: value for name, value in tags.items() if name == POLICY_TAG}
    named = {kind: instances.get(f"EmrManaged{kind}SecurityGroup") for kind in DEFAULT_NAMES}
    with _lock:
        vpc_id = "" if all(named.values()) else _vpc_of(ec2, subnet_id)
        found = {kind: given or _default_group(ec2, kind, vpc_id, own) for kind, given in named.items()}
        group_ids = list(dict.fromkeys(found.values()))
        for group in ec2.describe_security_groups(GroupIds=group_ids)["SecurityGroups"]:
            _allow(ec2, group, group_ids)
        return found


def _vpc_of(ec2: Any, subnet_id: str | None) -> str:
    choice: dict[str, Any] = (
        {"SubnetIds": [subnet_id]}
        if subnet_id
        else {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
    )
    return str(ec2.describe_subnets(**choice)["Subnets"][0]["VpcId"])


def _default_group(ec2: Any, kind: str, vpc_id: str, tags: Mapping[str, str]) -> str:
    name = DEFAULT_NAMES[kind]
    filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc_id]}]
    there = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if there:
        return str(there[0]["GroupId"])
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    specification = [{"ResourceType": "security-group", "Tags": listed}] if listed else []
    made = ec2.create_security_group(
        GroupName=name, Description=DESCRIPTIONS[kind], VpcId=vpc_id, TagSpecifications=specification
    )
    return str(made["GroupId"])


def _allow(ec2: Any, group: dict[str, Any], source_ids: Sequence[str]) -> None:
    """Let the groups' members reach a group's at all ports."""
    there = {
        (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"), pair["GroupId"])
        for rule in group["IpPermissions"]
        for pair in rule.get("UserIdGroupPairs", [])
    }
    missing = [
        {
            "IpProtocol": protocol,
            "FromPort": first,
            "ToPort": last,
            "UserIdGroupPairs": [{"GroupId": source_id}],
        }
        for source_id in source_ids
        for protocol, first, last in ALL_PORTS
        if (protocol, first, last, source_id) not in there
    ]
    if missing:
        ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=missing)
