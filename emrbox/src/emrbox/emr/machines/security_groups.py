"""The security groups of a cluster's nodes, made and filled as EMR does it: with the service role.

EC2 lets through what they say (aws/security_groups.py): nodes reach each other, and nobody else reaches them.
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
# In private subnets: of the nodes for EMR's service, and of the service-access group for the primary node.
SERVICE_PORT, PORT_OF_SERVICE = 8443, 9443
ALL_PORTS = (("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1))
_lock = threading.Lock()


def managed_groups(
    ec2: Any, instances: dict[str, Any], subnet_id: str | None, tags: Mapping[str, str], release: str
) -> dict[str, str]:
    """Return "Master" and "Slave" -> the managed group's id, made when the launch names none.

    `ec2` is a client that acts as the service role, `instances` the launch's Instances. The rules that EMR
    needs are added to the groups where they are missing, whoever made them; not those by which its service
    reaches nodes in public subnets, whose sources are addresses of AWS. Groups that are made here have the
    tag of EMR's managed policies if the cluster has it in its `tags`: those policies ask for it
    (docs/aws_facts.md 9). Raises botocore's ClientError when EC2 or IAM refuses.
    """
    service = instances.get("ServiceAccessSecurityGroup")
    own = {name: value for name, value in tags.items() if name == POLICY_TAG}
    named = {kind: instances.get(f"EmrManaged{kind}SecurityGroup") for kind in DEFAULT_NAMES}
    with _lock:
        vpc_id = "" if all(named.values()) else _vpc_of(ec2, subnet_id)
        found = {kind: given or _default_group(ec2, kind, vpc_id, own) for kind, given in named.items()}
        group_ids = list(dict.fromkeys(found.values()))
        for group in ec2.describe_security_groups(GroupIds=group_ids)["SecurityGroups"]:
            wanted = [(*ports, source) for source in group_ids for ports in ALL_PORTS]
            if service and _has_service_ports(release):
                wanted.append(("tcp", SERVICE_PORT, SERVICE_PORT, service))
            _allow(ec2, group, wanted)
        return found


def lacks_rule_of_service(ec2: Any, service_group_id: str, master_group_id: str, release: str) -> bool:
    """Whether a service-access group keeps the primary node from EMR's service, so that no cluster starts.

    EMR does not add that rule itself to a group that the launch names. Asked for from emr-5.30.0 on.
    """
    if not _has_service_ports(release) or _version(release) < (5, 30):
        return False
    [group] = ec2.describe_security_groups(GroupIds=[service_group_id])["SecurityGroups"]
    return not any(
        pair["GroupId"] == master_group_id
        for rule in group["IpPermissions"]
        if rule["IpProtocol"] == "-1" or rule.get("FromPort", 0) <= PORT_OF_SERVICE <= rule.get("ToPort", 0)
        for pair in rule.get("UserIdGroupPairs", [])
    )


def _has_service_ports(release: str) -> bool:
    """Whether a release has ports for EMR's service; from EMR 8 on it is reached by a VPC endpoint."""
    return _version(release) < (8,)


def _version(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in release.rpartition("-")[2].split("."))


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


def _allow(ec2: Any, group: dict[str, Any], wanted: Sequence[tuple[str, int, int, str]]) -> None:
    """Let groups' members reach a group's: protocol, first and last port, the other group's id."""
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
        for protocol, first, last, source_id in wanted
        if (protocol, first, last, source_id) not in there
    ]
    if missing:
        ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=missing)
