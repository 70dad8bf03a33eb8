"""Block public access: which open ports keep a cluster from starting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hollow_emr import HollowEmr
from moto.ec2.models import ec2_backends

from emrbox.aws.errors import AwsError
from emrbox.emr.life.security import PublicAccess

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "123456789012"


@pytest.fixture
def emr(emr: Any) -> HollowEmr:
    return HollowEmr(emr.run_request)


@pytest.fixture
def group() -> Callable[..., str]:
    """Makes a security group that opens ports of a protocol to somebody, and returns its id."""
    ec2 = ec2_backends[ACCOUNT]["us-east-1"]
    vpc = ec2.create_vpc("10.9.0.0/16")
    made: list[str] = []

    def make(first: int | None, last: int | None, to: str = "0.0.0.0/0", protocol: str = "tcp") -> str:
        one = ec2.create_security_group(f"group-{len(made)}", "of a test", vpc_id=vpc.id)
        made.append(one.id)
        source = {"CidrIpv6" if ":" in to else "CidrIp": to}
        ec2.authorize_security_group_ingress(
            one.id,
            protocol,
            None if first is None else str(first),
            None if last is None else str(last),
            [source],
        )
        return str(one.id)

    return make


def launch(emr: HollowEmr, group_id: str, **instances: Any) -> dict[str, Any]:
    """Launch a cluster whose primary node has one more group, and return its status."""
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
    cluster_id = emr.launch_in(InstanceGroups=groups, AdditionalMasterSecurityGroups=[group_id], **instances)
    return emr.status(cluster_id)


def put(emr: HollowEmr, *ranges: dict[str, int], blocks: bool = True) -> None:
    asked = {"BlockPublicSecurityGroupRules": blocks, "PermittedPublicSecurityGroupRuleRanges": list(ranges)}
    emr.call("PutBlockPublicAccessConfiguration", BlockPublicAccessConfiguration=asked)


@pytest.mark.parametrize(
    "rule",
    [
        (8890, 8890),
        (8890, 8890, "::/0"),
        (22, 23),
        (None, None, "0.0.0.0/0", "-1"),
        (-1, -1, "0.0.0.0/0", "icmp"),
    ],
)
def test_a_port_that_is_open_to_everybody_ends_the_cluster(
    emr: HollowEmr, group: Callable[..., str], rule: tuple[Any, ...]
) -> None:
    open_group = group(*rule)
    status = launch(emr, open_group)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"] == {
        "Code": "VALIDATION_ERROR",
        "Message": f"The EC2 Security Groups [{open_group}] contain one or more ingress rules to ports other "
        "than [22] which allow public access.",
    }


def test_ssh_and_what_some_may_reach_is_permitted(emr: HollowEmr, group: Callable[..., str]) -> None:
    assert launch(emr, group(22, 22))["State"] == "WAITING"
    assert launch(emr, group(0, 65535, "10.0.0.0/8"))["State"] == "WAITING"


def test_permitted_ranges_count_together_and_replace_the_default(
    emr: HollowEmr, group: Callable[..., str]
) -> None:
    web = group(8080, 8100)
    put(emr, {"MinRange": 8091, "MaxRange": 8200}, {"MinRange": 8080, "MaxRange": 8090})
    assert launch(emr, web)["State"] == "WAITING"
    assert (
        "other than [8091-8200, 8080-8090] which"
        in launch(emr, group(22, 22))["StateChangeReason"]["Message"]
    )


def test_nothing_is_refused_when_it_is_off_or_in_a_private_subnet(
    emr: HollowEmr, group: Callable[..., str]
) -> None:
    everything = group(0, 65535)
    assert launch(emr, everything, ServiceAccessSecurityGroup="sg-1")["State"] == "WAITING"
    put(emr, blocks=False)
    assert launch(emr, everything)["State"] == "WAITING"


def test_the_default_blocks_and_a_change_says_who_made_it(emr: HollowEmr) -> None:
    before = emr.call("GetBlockPublicAccessConfiguration")
    assert before["BlockPublicAccessConfiguration"] == {
        "BlockPublicSecurityGroupRules": True,
        "PermittedPublicSecurityGroupRuleRanges": [{"MinRange": 22, "MaxRange": 22}],
    }
    assert before["BlockPublicAccessConfigurationMetadata"]["CreatedByArn"] == f"arn:aws:iam::{ACCOUNT}:root"
    put(emr, {"MinRange": 443})
    after = emr.call("GetBlockPublicAccessConfiguration")
    ranges = after["BlockPublicAccessConfiguration"]["PermittedPublicSecurityGroupRuleRanges"]
    assert ranges == [{"MinRange": 443, "MaxRange": 443}]
    assert after["BlockPublicAccessConfigurationMetadata"]["CreatedByArn"] == f"arn:aws:iam::{ACCOUNT}:user/t"
    with pytest.raises(AwsError, match="MinRange is above"):
        put(emr, {"MinRange": 9, "MaxRange": 8})


def test_each_account_and_region_has_its_own_and_a_closed_account_none(emr: HollowEmr) -> None:
    store = emr.service.store
    home, abroad = store.for_account(ACCOUNT), store.for_account(ACCOUNT, "eu-west-1")
    home.security.public_access = PublicAccess(is_blocked=False)
    assert abroad.security.public_access.is_blocked
    assert store.for_account("555555555555").security.public_access.is_blocked
    assert not store.for_account(ACCOUNT).security.public_access.is_blocked
    store.forget_account(ACCOUNT)
    assert store.for_account(ACCOUNT).security.public_access.is_blocked


def test_a_policy_decides_who_may_change_it(emr: HollowEmr) -> None:
    emr.policy = [{"Effect": "Allow", "Action": "elasticmapreduce:Get*", "Resource": "*"}]
    emr.call("GetBlockPublicAccessConfiguration")
    with pytest.raises(AwsError, match="not authorized to perform: elasticmapreduce:PutBlockPublicAccess"):
        put(emr)
