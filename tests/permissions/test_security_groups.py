"""EMR's security groups, made with what the service role may."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emrbox.emr.machines.security_groups import ALL_PORTS, POLICY_TAG, managed_groups

SERVICE_ROLE = Path(__file__).parents[2] / "iam/service_role.json"
TAGS = {POLICY_TAG: "true", "managed_by": "kiln"}


@pytest.fixture
def service(endpoint: Any) -> Any:
    """An EC2 client that may what the shipped service role may."""
    values = {"account_id": "123456789012", "region": "us-east-1", "instance_role": "nodes"}
    iam = endpoint.client("iam")
    iam.create_user(UserName="emr")
    document = json.loads(Template(SERVICE_ROLE.read_text()).substitute(values))
    made = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(document))
    iam.attach_user_policy(UserName="emr", PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName="emr")["AccessKey"]
    return endpoint.client("ec2", key["AccessKeyId"], key["SecretAccessKey"])


def group(endpoint: Any, *tags: str) -> str:
    ec2 = endpoint.client("ec2")
    specification = [
        {"ResourceType": "security-group", "Tags": [{"Key": tag, "Value": "true"} for tag in tags]}
    ]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = ec2.create_security_group(
        GroupName="own", Description="d", VpcId=vpc, TagSpecifications=specification if tags else []
    )
    return str(made["GroupId"])


def test_the_default_groups_are_made_once_and_let_their_members_in(endpoint: Any, service: Any) -> None:
    made = managed_groups(service, {}, None, TAGS)
    assert managed_groups(service, {}, None, TAGS) == made
    found = endpoint.client("ec2").describe_security_groups(GroupIds=list(made.values()))["SecurityGroups"]
    for one in found:
        assert one["Tags"] == [{"Key": POLICY_TAG, "Value": "true"}]
        rules = {
            (rule["IpProtocol"], pair["GroupId"])
            for rule in one["IpPermissions"]
            for pair in rule["UserIdGroupPairs"]
        }
        assert rules == {(protocol, other) for protocol, *_ in ALL_PORTS for other in made.values()}


def test_a_cluster_without_the_tag_of_the_policies_gets_no_default_groups(service: Any) -> None:
    with pytest.raises(ClientError, match="not authorized"):
        managed_groups(service, {}, None, {"managed_by": "kiln"})


def test_rules_are_added_to_groups_with_the_tag_only(endpoint: Any, service: Any) -> None:
    named = dict.fromkeys(("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup"), group(endpoint))
    with pytest.raises(ClientError, match="not authorized"):
        managed_groups(service, named, None, TAGS)


def test_a_group_that_has_the_rules_needs_no_tag(endpoint: Any, service: Any) -> None:
    own = group(endpoint)
    named = dict.fromkeys(("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup"), own)
    managed_groups(endpoint.client("ec2"), named, None, TAGS)
    assert managed_groups(service, named, None, TAGS) == {"Master": own, "Slave": own}
