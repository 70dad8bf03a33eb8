"""Resources and conditions of IAM policies count for the services that moto serves, too."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from emrbox.emr.machines.capacity import trusts_emr

POLICIES = Path(__file__).parents[4] / "iam"
VALUES = {
    "account_id": "123456789012",
    "region": "us-east-1",
    "data_bucket": "data",
    "state_bucket": "state",
    "state_prefix": "kiln",
    "environment": "local",
    "log_bucket": "logs",
    "instance_role": "nodes",
    "service_role": "service",
}
MANAGED = {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}
OWN: dict[str, Any] = {
    "TagSpecifications": [
        {"ResourceType": kind, "Tags": [{"Key": "managed_by", "Value": "kiln"}]}
        for kind in ("instance", "volume")
    ]
}
LAUNCH: dict[str, Any] = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
REFUSED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def shipped(name: str) -> dict[str, Any]:
    text = (POLICIES / f"{name}.json").read_text()
    return dict(json.loads(Template(text).substitute(VALUES)))


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


class Someone:
    """A user with one policy, and what it may do."""

    def __init__(self, endpoint: Any, policy: dict[str, Any] | str) -> None:
        self._endpoint = endpoint
        iam = endpoint.client("iam")
        iam.create_user(UserName="someone")
        if isinstance(policy, str):
            iam.attach_user_policy(UserName="someone", PolicyArn=policy)
        else:
            document = json.dumps({"Version": "2012-10-17", **policy})
            made = iam.create_policy(PolicyName="someone", PolicyDocument=document)
            iam.attach_user_policy(UserName="someone", PolicyArn=made["Policy"]["Arn"])
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        self._keys = (key["AccessKeyId"], key["SecretAccessKey"])

    def client(self, service: str, region: str = "us-east-1") -> Any:
        key, secret = self._keys
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=self._endpoint.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def may(self, service: str, operation: str, *, region: str = "us-east-1", **request: Any) -> bool:
        try:
            getattr(self.client(service, region), operation)(**request)
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in REFUSED:
                raise
            return False
        return True


def instance(endpoint: Any, *tags: dict[str, str]) -> str:
    specification = [{"ResourceType": "instance", "Tags": list(tags)}] if tags else []
    answer = endpoint.client("ec2").run_instances(**LAUNCH, TagSpecifications=specification)
    return str(answer["Instances"][0]["InstanceId"])


def test_a_call_on_several_instances_needs_all_of_them(endpoint: Any) -> None:
    service = Someone(endpoint, shipped("service_role"))
    own, other = instance(endpoint, {"Key": "managed_by", "Value": "kiln"}), instance(endpoint)
    assert not service.may("ec2", "terminate_instances", InstanceIds=[own, other])
    assert service.may("ec2", "terminate_instances", InstanceIds=[own])


@pytest.mark.parametrize("kind", ["subnet", "vpc", "route_table"])
def test_tags_of_what_stands_beside_an_own_instance_need_permission(endpoint: Any, kind: str) -> None:
    service = Someone(endpoint, shipped("service_role"))
    own = instance(endpoint, {"Key": "managed_by", "Value": "kiln"})
    name = "".join(word.capitalize() for word in kind.split("_"))
    found = getattr(endpoint.client("ec2"), f"describe_{kind}s")()[f"{name}s"][0][f"{name}Id"]
    tags = [{"Key": "team", "Value": "x"}]
    assert not service.may("ec2", "create_tags", Resources=[own, found], Tags=tags)
    assert service.may("ec2", "create_tags", Resources=[own], Tags=tags)


def test_a_copy_needs_to_read_its_source(endpoint: Any) -> None:
    s3 = endpoint.client("s3")
    for bucket in ("state", "data"):
        s3.create_bucket(Bucket=bucket)
    nodes = Someone(endpoint, shipped("instance_profile"))
    for key, may in (("kiln/envs/1", True), ("kiln/ledger/local/p/r.json", False)):
        s3.put_object(Bucket="state", Key=key, Body=b"x")
        source = {"Bucket": "state", "Key": key}
        assert nodes.may("s3", "copy_object", Bucket="data", Key="copy", CopySource=source) is may


@pytest.mark.parametrize(("listed", "code"), [("s3:ListBucket", "NoSuchKey"), ("s3:Nothing", "AccessDenied")])
def test_only_who_may_list_a_bucket_sees_that_an_object_is_absent(
    endpoint: Any, listed: str, code: str
) -> None:
    endpoint.client("s3").create_bucket(Bucket="state")
    someone = Someone(endpoint, {"Statement": [allow("s3:GetObject", listed)]})
    with pytest.raises(ClientError) as refused:
        someone.client("s3").get_object(Bucket="state", Key="absent")
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(("account_id", "trusted"), [("123456789012", True), ("999999999999", False)])
def test_the_service_role_trusts_emr_for_its_own_account_only(account_id: str, *, trusted: bool) -> None:
    document = json.dumps(shipped("service_role_trust"))
    assert trusts_emr(document, "j-1ABCDEFGHIJKL", account_id) is trusted
    assert not trusts_emr(json.dumps(shipped("instance_profile_trust")), "j-1ABCDEFGHIJKL", account_id)


def test_the_service_role_launches_in_its_region_only(endpoint: Any) -> None:
    service = Someone(endpoint, shipped("service_role"))
    assert service.may("ec2", "run_instances", **LAUNCH, **OWN)
    assert not service.may("ec2", "run_instances", region="eu-west-1", **LAUNCH, **OWN)


def test_a_launch_passes_the_role_of_its_instance_profile(endpoint: Any) -> None:
    iam = endpoint.client("iam")
    for name in ("nodes", "admins"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    service = Someone(endpoint, shipped("service_role"))
    assert service.may("ec2", "run_instances", IamInstanceProfile={"Name": "nodes"}, **LAUNCH, **OWN)
    assert not service.may("ec2", "run_instances", IamInstanceProfile={"Name": "admins"}, **LAUNCH, **OWN)


def test_emrs_managed_policy_wants_its_tag_everywhere(endpoint: Any) -> None:
    role = Someone(endpoint, "arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2")
    ec2 = endpoint.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=subnet["VpcId"])["GroupId"]
    launch = {**LAUNCH, "SubnetId": subnet["SubnetId"], "SecurityGroupIds": [group]}
    tagged = [{"ResourceType": kind, "Tags": [MANAGED]} for kind in ("instance", "volume")]
    assert not role.may("ec2", "run_instances", TagSpecifications=tagged, **launch)
    ec2.create_tags(Resources=[subnet["SubnetId"]], Tags=[MANAGED])
    assert not role.may("ec2", "run_instances", TagSpecifications=tagged, **launch)
    ec2.create_tags(Resources=[group], Tags=[MANAGED])
    assert not role.may("ec2", "run_instances", **launch)
    assert not role.may("ec2", "run_instances", TagSpecifications=tagged[:1], **launch)
    assert role.may("ec2", "run_instances", TagSpecifications=tagged, **launch)


@pytest.mark.parametrize(
    ("condition", "may"),
    [
        ({"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, False),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, True),  # a key that emrbox does not have
        ({}, False),
    ],
)
def test_a_deny_counts_when_its_condition_holds(endpoint: Any, condition: Any, *, may: bool) -> None:
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": condition}
    someone = Someone(endpoint, {"Statement": [allow("s3:*"), deny]})
    assert someone.may("s3", "list_buckets") is may


def test_a_condition_on_a_key_that_emrbox_does_not_have_allows(endpoint: Any) -> None:
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    someone = Someone(endpoint, {"Statement": [allow("s3:ListAllMyBuckets", "s3:*", Condition=condition)]})
    assert someone.may("s3", "list_buckets")


def test_the_id_of_another_instance_in_a_tag_asks_for_no_rights_on_it(endpoint: Any) -> None:
    """EMR copies a cluster's tags to its instances; whoever launches it may write anything there."""
    other = endpoint.client("ec2").run_instances(**LAUNCH)["Instances"][0]["InstanceId"]
    service = Someone(endpoint, shipped("service_role"))
    tags = [
        {"Key": "managed_by", "Value": "kiln"},
        {"Key": "parent", "Value": other},
        {"Key": other, "Value": ""},
    ]
    specified = [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")]
    assert service.may("ec2", "run_instances", **LAUNCH, TagSpecifications=specified)
    assert not service.may("ec2", "terminate_instances", InstanceIds=[other])


def test_the_inline_policies_of_a_user_have_2048_characters_together(endpoint: Any) -> None:
    iam = endpoint.client("iam")
    iam.create_user(UserName="u")

    def put(name: str, length: int) -> None:
        start = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*","Action":"s3:'
        end = '"}}'
        document = start + "*" * (length - len(start + end)) + end + " \n" * 1000
        iam.put_user_policy(UserName="u", PolicyName=name, PolicyDocument=document)

    put("one", 1024)
    put("two", 1024)
    put("two", 1024)
    for name, length in (("two", 1025), ("three", 200)):
        with pytest.raises(
            iam.exceptions.LimitExceededException, match="size of 2048 bytes exceeded for user u"
        ):
            put(name, length)
    assert iam.list_user_policies(UserName="u")["PolicyNames"] == ["one", "two"]
