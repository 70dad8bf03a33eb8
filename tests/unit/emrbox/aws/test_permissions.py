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
    "log_bucket": "logs",
    "instance_role": "nodes",
    "service_role": "service",
}
MANAGED = {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}
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
            iam.put_user_policy(UserName="someone", PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        self._keys = (key["AccessKeyId"], key["SecretAccessKey"])

    def may(self, service: str, operation: str, *, region: str = "us-east-1", **request: Any) -> bool:
        if region == "us-east-1":
            client = self._endpoint.client(service, *self._keys)
        else:
            key, secret = self._keys
            client = boto3.client(
                service,  # type: ignore[call-overload]  # any service
                endpoint_url=self._endpoint.url,
                region_name=region,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
            )
        try:
            getattr(client, operation)(**request)
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in REFUSED:
                raise
            return False
        return True


def instance(endpoint: Any, *tags: dict[str, str]) -> str:
    specification = [{"ResourceType": "instance", "Tags": list(tags)}] if tags else []
    answer = endpoint.client("ec2").run_instances(**LAUNCH, TagSpecifications=specification)
    return str(answer["Instances"][0]["InstanceId"])


def test_the_nodes_list_environments_only(endpoint: Any) -> None:
    endpoint.client("s3").create_bucket(Bucket="state")
    nodes = Someone(endpoint, shipped("instance_profile"))
    assert nodes.may("s3", "list_objects_v2", Bucket="state", Prefix="local/envs/1")
    assert not nodes.may("s3", "list_objects_v2", Bucket="state", Prefix="local/runs/")
    assert not nodes.may("s3", "list_objects_v2", Bucket="state")


def test_the_service_role_ends_own_nodes_only(endpoint: Any) -> None:
    service = Someone(endpoint, shipped("service_role"))
    own, other = instance(endpoint, {"Key": "managed_by", "Value": "kiln"}), instance(endpoint)
    assert not service.may("ec2", "terminate_instances", InstanceIds=[other])
    assert not service.may("ec2", "terminate_instances", InstanceIds=[own, other])
    assert service.may("ec2", "terminate_instances", InstanceIds=[own])


@pytest.mark.parametrize(("account_id", "trusted"), [("123456789012", True), ("999999999999", False)])
def test_the_service_role_trusts_emr_for_its_own_account_only(account_id: str, *, trusted: bool) -> None:
    document = json.dumps(shipped("service_role_trust"))
    assert trusts_emr(document, "j-1ABCDEFGHIJKL", account_id) is trusted
    assert not trusts_emr(json.dumps(shipped("instance_profile_trust")), "j-1ABCDEFGHIJKL", account_id)


def test_the_service_role_launches_in_its_region_only(endpoint: Any) -> None:
    service = Someone(endpoint, shipped("service_role"))
    assert service.may("ec2", "run_instances", **LAUNCH)
    assert not service.may("ec2", "run_instances", region="eu-west-1", **LAUNCH)


def test_a_launch_passes_the_role_of_its_instance_profile(endpoint: Any) -> None:
    iam = endpoint.client("iam")
    for name in ("nodes", "admins"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    service = Someone(endpoint, shipped("service_role"))
    assert service.may("ec2", "run_instances", IamInstanceProfile={"Name": "nodes"}, **LAUNCH)
    assert not service.may("ec2", "run_instances", IamInstanceProfile={"Name": "admins"}, **LAUNCH)


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
