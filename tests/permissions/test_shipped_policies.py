"""What the shipped policies allow and refuse, tried on emrbox."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import pytest
from users import LAUNCH, Someone

from emrbox.emr.machines.capacity import trusts_emr

POLICIES = Path(__file__).parents[2] / "iam"
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
OWN: dict[str, Any] = {
    "TagSpecifications": [
        {"ResourceType": kind, "Tags": [{"Key": "managed_by", "Value": "kiln"}]}
        for kind in ("instance", "volume")
    ]
}


def shipped(name: str) -> dict[str, Any]:
    text = (POLICIES / f"{name}.json").read_text()
    return dict(json.loads(Template(text).substitute(VALUES)))


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
