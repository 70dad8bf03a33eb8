"""Resources and conditions of IAM policies count for the services that moto serves, too."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from users import LAUNCH, Someone, allow

MANAGED = {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}


@pytest.mark.parametrize(("listed", "code"), [("s3:ListBucket", "NoSuchKey"), ("s3:Nothing", "AccessDenied")])
def test_only_who_may_list_a_bucket_sees_that_an_object_is_absent(
    endpoint: Any, listed: str, code: str
) -> None:
    endpoint.client("s3").create_bucket(Bucket="state")
    someone = Someone(endpoint, {"Statement": [allow("s3:GetObject", listed)]})
    with pytest.raises(ClientError) as refused:
        someone.client("s3").get_object(Bucket="state", Key="absent")
    assert refused.value.response["Error"]["Code"] == code


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


def test_a_policy_on_one_instance_profile_allows_to_read_that_one_only(endpoint: Any) -> None:
    iam = endpoint.client("iam")
    for name in ("nodes", "admin"):
        iam.create_instance_profile(InstanceProfileName=name)
    allowed = {
        "Effect": "Allow",
        "Action": "iam:GetInstanceProfile",
        "Resource": "arn:aws:iam::123456789012:instance-profile/nodes",
    }
    someone = Someone(endpoint, {"Statement": [allowed]})
    assert someone.may("iam", "get_instance_profile", InstanceProfileName="nodes")
    assert not someone.may("iam", "get_instance_profile", InstanceProfileName="admin")


def test_ec2_refuses_in_its_own_form_of_errors(endpoint: Any) -> None:
    someone = Someone(endpoint, {"Statement": [allow("ec2:DescribeImages")]})
    ec2, answers = someone.client("ec2"), []
    ec2.meta.events.register(
        "after-call.ec2.DescribeVpcs", lambda http_response, **_: answers.append(http_response)
    )
    with pytest.raises(ClientError) as refused:
        ec2.describe_vpcs()
    assert refused.value.response["Error"]["Code"] == "UnauthorizedOperation"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert answers[0].text.startswith("<Response><Errors>")
