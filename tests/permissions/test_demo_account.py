"""The operator of the demo's account, as it is made on emrbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import account
import boto3
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def session(endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """The administrator's session; the operator's keys go into the test's folder."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    monkeypatch.setattr(account, "AWS_CONFIG", tmp_path / "aws/config")
    return boto3.Session("AKIA" + "A" * 16, endpoint.admin_secret, region_name="us-east-1")


def make_operator(session: boto3.Session, environment: str) -> None:
    values = {
        **account.BUCKETS,
        "state_prefix": "kiln",
        "environment": environment,
        "account_id": "123456789012",
        "region": "us-east-1",
        "endpoint_url": session.client("iam").meta.endpoint_url,
        "service_role": "service",
        "instance_role": "nodes",
        "data_science_role": "notebooks",
        "data_science_workgroup": "notebooks",
    }
    account.make_operator(session, values)


def test_the_operator_has_a_managed_policy_that_each_set_up_brings_up_to_date(session: boto3.Session) -> None:
    for number in range(7):
        make_operator(session, f"environment{number}")
    iam, user = session.client("iam"), account.OPERATOR
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == []
    attached = iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    arns = {one["PolicyName"]: one["PolicyArn"] for one in attached}
    assert arns.keys() == {account.OPERATOR, account.IMAGE_BAKER, account.DATA_SCIENCE_OPERATOR}
    arn = arns[account.OPERATOR]
    default = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=default)["PolicyVersion"]["Document"]
    assert "ledger/environment6/" in json.dumps(document)
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) <= 5
    assert len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"]) == 1
    assert account.operator_works(iam.meta.endpoint_url)
