"""Kiln's own code under iam/operator.json: what the control host asks S3 about packed environments."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import pytest

from kiln.aws.boto import Boto
from kiln.errors import AwsError
from kiln.nodes import environment_digests
from kiln.nodes.environment_digests import Place

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATOR = Path(__file__).parents[2] / "iam/operator.json"
VALUES = {
    "account_id": "123456789012",
    "region": "us-east-1",
    "environment": "stage",
    "state_bucket": "state",
    "state_prefix": "kiln",
    "data_bucket": "data",
    "log_bucket": "logs",
    "service_role": "emr",
    "instance_role": "nodes",
}
PLACE = Place("s3://state/kiln", "stage", "0123456789abcdef")
DIGEST = "a" * 64


@pytest.fixture
def put(endpoint: Any) -> Callable[[str], None]:
    """What puts an object there as a node does: with other rights than the operator's."""
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket="state")

    def put(uri: str) -> None:
        s3.put_object(Bucket="state", Key=uri.removeprefix("s3://state/"), Body=b"packed")

    return put


@pytest.fixture
def operator(endpoint: Any, tmp_path: Path) -> Boto:
    """Kiln's AWS with the keys of a user who has the shipped policy and nothing else."""
    iam = endpoint.client("iam")
    iam.create_user(UserName="operator")
    document = json.dumps(json.loads(Template(OPERATOR.read_text()).substitute(VALUES)))
    made = iam.create_policy(PolicyName="kiln", PolicyDocument=document)
    iam.attach_user_policy(UserName="operator", PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    config = tmp_path / "config"
    config.write_text(
        f"[profile p]\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\nendpoint_url = {endpoint.url}\n"
    )
    return Boto(region="us-east-1", profile="p", config_file=config)


def test_the_operator_finds_the_archive_of_a_digest_that_is_kept(
    operator: Boto, put: Callable[[str], None]
) -> None:
    assert environment_digests.read(operator, PLACE) == ""
    assert environment_digests.keep(operator, PLACE, DIGEST)
    assert environment_digests.read(operator, PLACE) == ""
    put(PLACE.archive(DIGEST))
    assert environment_digests.read(operator, PLACE) == DIGEST


def test_the_operator_cannot_read_or_write_the_archive_itself(
    operator: Boto, put: Callable[[str], None]
) -> None:
    put(PLACE.archive(DIGEST))
    with pytest.raises(AwsError, match="AccessDenied"):
        operator.get_object(PLACE.archive(DIGEST))
    with pytest.raises(AwsError, match="AccessDenied"):
        operator.put_object(PLACE.archive(DIGEST), b"x", replaces=None)
