"""The security groups that EMR manages: made at a launch that names none, and filled again at each launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from emrbox.emr.machines.security_groups import POLICY_TAG, lacks_rule_of_service, managed_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = "emr-7.13.0"
EVERYTHING = {("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1)}
Rules = set[tuple[str, int, int, str]]  # protocol, first and last port, the group that is let in


class Vpc:
    """A VPC with one subnet and no group but its default one, as the service role has it."""

    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2
        self.id = str(ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])
        subnet = ec2.create_subnet(VpcId=self.id, CidrBlock="10.9.1.0/24")["Subnet"]
        self.subnet_id = str(subnet["SubnetId"])

    def launch(
        self, release: str = RELEASE, tags: dict[str, str] | None = None, **named: Any
    ) -> dict[str, str]:
        """Return the managed groups of a launch whose Instances name some groups."""
        return managed_groups(self.ec2, named, self.subnet_id, tags or {}, release)

    def make(self, name: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description="of a test", VpcId=self.id)
        return str(made["GroupId"])

    def group(self, group_id: str) -> dict[str, Any]:
        return dict(self.ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0])

    def rules(self, group_id: str) -> Rules:
        """Return what a group lets in; all of it comes from groups."""
        found = self.group(group_id)["IpPermissions"]
        assert not any(rule["IpRanges"] or rule["Ipv6Ranges"] or rule["PrefixListIds"] for rule in found)
        return {
            (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], pair["GroupId"])
            for rule in found
            for pair in rule["UserIdGroupPairs"]
        }

    def revoke_all(self, group_id: str) -> None:
        rules = self.group(group_id)["IpPermissions"]
        self.ec2.revoke_security_group_ingress(GroupId=group_id, IpPermissions=rules)
        assert self.rules(group_id) == set()


@pytest.fixture(scope="module")
def ec2() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ec2", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def vpc(ec2: Any) -> Vpc:
    return Vpc(ec2)


def from_each(*group_ids: str) -> Rules:
    return {(*ports, source) for source in group_ids for ports in EVERYTHING}


def test_a_launch_that_names_no_groups_gets_emrs_own(vpc: Vpc) -> None:
    found = vpc.launch()
    assert {kind: vpc.group(one)["GroupName"] for kind, one in found.items()} == {
        "Master": "ElasticMapReduce-master",
        "Slave": "ElasticMapReduce-slave",
    }
    for group_id in found.values():
        assert vpc.rules(group_id) == from_each(*found.values())
        group = vpc.group(group_id)
        assert group["VpcId"] == vpc.id
        assert group.get("Tags", []) == []
        assert group["IpPermissionsEgress"] == vpc.group(vpc.make(f"{group_id}-plain"))["IpPermissionsEgress"]


def test_groups_that_emr_makes_have_the_tag_of_its_managed_policies_and_no_other(vpc: Vpc) -> None:
    found = vpc.launch(tags={POLICY_TAG: "true", "owner": "me"})
    for group_id in found.values():
        assert vpc.group(group_id)["Tags"] == [{"Key": POLICY_TAG, "Value": "true"}]


def test_the_next_launch_uses_the_same_groups_and_adds_what_was_revoked(vpc: Vpc) -> None:
    found = vpc.launch()
    master, slave = found.values()
    vpc.revoke_all(master)
    one = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": master}]}
    vpc.ec2.revoke_security_group_ingress(GroupId=slave, IpPermissions=[one])
    assert vpc.rules(slave) == from_each(master, slave) - {("tcp", 0, 65535, master)}
    assert vpc.launch() == found
    assert vpc.rules(master) == vpc.rules(slave) == from_each(master, slave)


def test_a_launch_that_finds_everything_changes_nothing(vpc: Vpc) -> None:
    found = vpc.launch()
    added = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    vpc.ec2.authorize_security_group_ingress(GroupId=found["Master"], IpPermissions=[added])
    before = [vpc.group(one) for one in found.values()]
    vpc.launch()
    assert [vpc.group(one) for one in found.values()] == before


def test_each_vpc_has_groups_of_its_own(vpc: Vpc) -> None:
    found, elsewhere = vpc.launch(), Vpc(vpc.ec2).launch()
    assert set(found.values()).isdisjoint(elsewhere.values())
    assert vpc.rules(elsewhere["Master"]) == from_each(*elsewhere.values())


def test_a_launch_without_a_subnet_is_in_the_default_vpc(vpc: Vpc) -> None:
    found = managed_groups(vpc.ec2, {}, None, {}, RELEASE)
    defaults = vpc.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert [vpc.group(one)["VpcId"] for one in found.values()] == [defaults[0]["VpcId"]] * 2


def test_groups_that_the_launch_names_are_filled_and_none_is_made(vpc: Vpc) -> None:
    master, slave = vpc.make("ours-master"), vpc.make("ours-slave")
    found = vpc.launch(EmrManagedMasterSecurityGroup=master, EmrManagedSlaveSecurityGroup=slave)
    assert found == {"Master": master, "Slave": slave}
    assert vpc.rules(master) == vpc.rules(slave) == from_each(master, slave)
    there = vpc.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc.id]}])
    assert {group["GroupName"] for group in there["SecurityGroups"]} == {
        "default",
        "ours-master",
        "ours-slave",
    }


def test_one_group_may_be_both(vpc: Vpc) -> None:
    both = vpc.make("both")
    found = vpc.launch(EmrManagedMasterSecurityGroup=both, EmrManagedSlaveSecurityGroup=both)
    assert found == {"Master": both, "Slave": both}
    assert vpc.rules(both) == from_each(both)


@pytest.mark.parametrize(("release", "has_ports"), [(RELEASE, True), ("emr-spark-8.0.0", False)])
def test_the_service_access_group_reaches_both_groups_where_the_release_has_its_port(
    vpc: Vpc, release: str, *, has_ports: bool
) -> None:
    service = vpc.make("service")
    found = vpc.launch(release, ServiceAccessSecurityGroup=service)
    expected = from_each(*found.values()) | ({("tcp", 8443, 8443, service)} if has_ports else set())
    assert vpc.rules(found["Master"]) == vpc.rules(found["Slave"]) == expected
    assert vpc.rules(service) == set()  # EMR does not fill it


@pytest.mark.parametrize(
    ("release", "is_asked_for"), [("emr-5.29.0", False), ("emr-5.30.0", True), ("emr-spark-8.0.0", False)]
)
def test_the_service_access_group_must_let_in_the_primary_node(
    vpc: Vpc, release: str, *, is_asked_for: bool
) -> None:
    service, master, other = vpc.make("service"), vpc.make("master"), vpc.make("other")

    def allow(port: int, source: str) -> None:
        pairs = [{"GroupId": source}]
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pairs}
        vpc.ec2.authorize_security_group_ingress(GroupId=service, IpPermissions=[rule])

    def lacks() -> bool:
        return lacks_rule_of_service(vpc.ec2, service, master, release)

    assert lacks() == is_asked_for
    allow(8443, master)
    allow(9443, other)
    assert lacks() == is_asked_for
    allow(9443, master)
    assert not lacks()


def test_a_group_that_does_not_exist_is_refused_in_ec2s_words(vpc: Vpc) -> None:
    with pytest.raises(ClientError, match=r"InvalidGroup\.NotFound"):
        vpc.launch(EmrManagedMasterSecurityGroup="sg-0123456789abcdef0")
