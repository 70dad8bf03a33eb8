"""EMR's security groups, made with what the service role may."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emrbox.emr.machines.security_groups import (
    ALL_PORTS,
    POLICY_TAG,
    lacks_rule_of_service,
    managed_groups,
)

SERVICE_ROLE = Path(__file__).parents[2] / "iam/service_role.json"
RELEASE = "emr-7.13.0"
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


def group(endpoint: Any, *tags: str, name: str = "own") -> str:
    ec2 = endpoint.client("ec2")
    specification = [
        {"ResourceType": "security-group", "Tags": [{"Key": tag, "Value": "true"} for tag in tags]}
    ]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = ec2.create_security_group(
        GroupName=name, Description="d", VpcId=vpc, TagSpecifications=specification if tags else []
    )
    return str(made["GroupId"])


def test_the_default_groups_are_made_once_and_let_their_members_in(endpoint: Any, service: Any) -> None:
    made = managed_groups(service, {}, None, TAGS, RELEASE)
    assert managed_groups(service, {}, None, TAGS, RELEASE) == made
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
        managed_groups(service, {}, None, {"managed_by": "kiln"}, RELEASE)


def test_rules_are_added_to_groups_with_the_tag_only(endpoint: Any, service: Any) -> None:
    named = dict.fromkeys(("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup"), group(endpoint))
    with pytest.raises(ClientError, match="not authorized"):
        managed_groups(service, named, None, TAGS, RELEASE)


def test_a_group_that_has_the_rules_needs_no_tag(endpoint: Any, service: Any) -> None:
    own = group(endpoint)
    named = dict.fromkeys(("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup"), own)
    managed_groups(endpoint.client("ec2"), named, None, TAGS, RELEASE)
    assert managed_groups(service, named, None, TAGS, RELEASE) == {"Master": own, "Slave": own}


def test_rules_that_were_revoked_are_made_again_at_the_next_start(endpoint: Any, service: Any) -> None:
    ec2 = endpoint.client("ec2")
    made = list(managed_groups(service, {}, None, TAGS, RELEASE).values())
    for found in ec2.describe_security_groups(GroupIds=made)["SecurityGroups"]:
        ec2.revoke_security_group_ingress(GroupId=found["GroupId"], IpPermissions=found["IpPermissions"])
    managed_groups(service, {}, None, TAGS, RELEASE)
    for found in ec2.describe_security_groups(GroupIds=made)["SecurityGroups"]:
        assert len(found["IpPermissions"]) == len(ALL_PORTS)


def test_the_service_is_let_in_and_its_own_group_is_only_checked(endpoint: Any) -> None:
    ec2 = endpoint.client("ec2")
    own, access = group(endpoint), group(endpoint, name="access")
    named = {f"EmrManaged{kind}SecurityGroup": own for kind in ("Master", "Slave")}
    named["ServiceAccessSecurityGroup"] = access

    def sources_of(port: int) -> list[str]:
        [found] = ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"]
        rules = [rule for rule in found["IpPermissions"] if rule["FromPort"] == port]
        return [pair["GroupId"] for rule in rules for pair in rule["UserIdGroupPairs"]]

    managed_groups(ec2, named, None, TAGS, "emr-spark-8.0.0")
    assert sources_of(8443) == []
    for _ in range(2):
        managed_groups(ec2, named, None, TAGS, RELEASE)
        assert sources_of(8443) == [access]
    assert lacks_rule_of_service(ec2, access, own, RELEASE)
    assert not lacks_rule_of_service(ec2, access, own, "emr-5.29.0")
    assert not lacks_rule_of_service(ec2, access, own, "emr-spark-8.0.0")
    rule = {"IpProtocol": "tcp", "FromPort": 9443, "ToPort": 9443, "UserIdGroupPairs": [{"GroupId": own}]}
    ec2.authorize_security_group_ingress(GroupId=access, IpPermissions=[rule])
    assert not lacks_rule_of_service(ec2, access, own, RELEASE)
