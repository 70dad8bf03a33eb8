"""The endpoint over HTTP: signatures, permissions, moto behind it, the call log."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

ALLOW_LISTING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "elasticmapreduce:ListClusters", "Resource": "*"}],
}


def new_user(endpoint: Any, policy: dict[str, Any] | None = None) -> tuple[str, str]:
    iam = endpoint.client("iam")
    iam.create_user(UserName="someone")
    if policy:
        iam.put_user_policy(UserName="someone", PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="someone")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def code_of(call: Any) -> str:
    with pytest.raises(ClientError) as refusal:
        call()
    assert 400 <= refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return str(refusal.value.response["Error"]["Code"])


def test_the_administrator_may_do_all(endpoint: Any) -> None:
    assert endpoint.client("emr").list_clusters()["Clusters"] == []
    assert endpoint.client("iam").list_roles()["Roles"] == []


def test_a_wrong_secret_and_an_unknown_key_are_refused(endpoint: Any) -> None:
    assert code_of(endpoint.client("emr", secret="wrong").list_clusters) == "InvalidSignatureException"
    unknown = endpoint.client("emr", key="AKIA" + "B" * 16)
    assert code_of(unknown.list_clusters) == "UnrecognizedClientException"
    assert code_of(endpoint.client("s3", secret="wrong").list_buckets) == "SignatureDoesNotMatch"


def test_a_request_without_a_signature_is_refused(endpoint: Any) -> None:
    headers = {"X-Amz-Target": "ElasticMapReduce.ListClusters", "Content-Type": "application/x-amz-json-1.1"}
    status, body = endpoint.fetch("POST", "/", headers, b"{}")
    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")


def test_a_user_can_do_exactly_what_its_policy_allows(endpoint: Any) -> None:
    key, secret = new_user(endpoint, ALLOW_LISTING)
    emr = endpoint.client("emr", key, secret)
    assert emr.list_clusters()["Clusters"] == []
    assert code_of(lambda: emr.describe_cluster(ClusterId="j-1")) == "AccessDeniedException"
    assert code_of(endpoint.client("s3", key, secret).list_buckets) == "AccessDenied"


def test_what_moto_would_do_for_anybody_is_refused(endpoint: Any) -> None:
    endpoint.client("s3").create_bucket(Bucket="kept")
    for path in ("/moto-api/reset", "//moto-api/reset", "/moto-api"):
        assert endpoint.fetch("POST", path)[0] == 403
    assert len(endpoint.client("s3").list_buckets()["Buckets"]) == 1


def test_what_emrbox_lacks_is_refused_and_never_a_server_error(endpoint: Any) -> None:
    emr = endpoint.client("emr")
    assert code_of(emr.list_studios) == "InvalidRequestException"
    assert code_of(lambda: emr.describe_cluster(ClusterId="j-1")) == "InvalidRequestException"


@pytest.mark.parametrize("kind", ["AWS::EMR::Cluster", "AWS::Athena::WorkGroup"])
def test_stacks_with_resources_that_their_own_service_would_not_know_are_refused(
    endpoint: Any, kind: str
) -> None:
    queue = {"Type": "AWS::SQS::Queue"}
    stacks = endpoint.client("cloudformation")
    stacks.create_stack(StackName="good", TemplateBody=json.dumps({"Resources": {"queue": queue}}))
    template = json.dumps({"Resources": {"mine": {"Type": kind, "Properties": {}}}})
    with pytest.raises(ClientError, match=f"ValidationError.*{kind} is not available"):
        stacks.create_stack(StackName="bad", TemplateBody=template)
    with pytest.raises(ClientError, match=f"ValidationError.*{kind} is not available"):
        stacks.update_stack(StackName="good", TemplateBody=template)


def test_only_one_of_many_conditional_writes_wins(endpoint: Any) -> None:
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket="bucket")

    def put(number: int) -> int:
        try:
            s3.put_object(Bucket="bucket", Key="k", Body=str(number).encode(), IfNoneMatch="*")
        except ClientError as problem:
            return int(problem.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, range(8))) == [200] + [412] * 7


def test_many_keys_are_deleted_or_refused_one_by_one(endpoint: Any) -> None:
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket="data")
    for key in ("mine/a", "mine/_temporary/", "theirs/b"):
        s3.put_object(Bucket="data", Key=key, Body=b"")
    may = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::data/mine/*"}
    own = endpoint.client("s3", *new_user(endpoint, {"Version": "2012-10-17", "Statement": [may]}))
    keys = [{"Key": key} for key in ("mine/a", "mine/_temporary/", "theirs/b")]
    answer = own.delete_objects(Bucket="data", Delete={"Objects": keys})
    assert {item["Key"] for item in answer["Deleted"]} == {"mine/a", "mine/_temporary/"}
    assert [(item["Key"], item["Code"]) for item in answer["Errors"]] == [("theirs/b", "AccessDenied")]
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="data")["Contents"]] == ["theirs/b"]


def test_every_call_is_logged_with_its_caller_and_no_secret(endpoint: Any) -> None:
    key, secret = new_user(endpoint)
    code_of(endpoint.client("emr", key, secret).list_clusters)
    endpoint.client("s3").create_bucket(Bucket="bucket")
    denied = next(call for call in endpoint.calls() if call["service"] == "elasticmapreduce")
    assert denied["operation"] == "ListClusters"
    assert denied["principal"] == "arn:aws:iam::123456789012:user/someone"
    assert (denied["status"], denied["error"]) == (400, "AccessDeniedException")
    assert any(call["operation"] == "CreateBucket" and call["status"] == 200 for call in endpoint.calls())
    assert secret not in endpoint.log.read_text()
    assert endpoint.admin_secret not in endpoint.log.read_text()


def test_the_clock_is_moved_by_a_post_of_json(endpoint: Any) -> None:
    post = {"Content-Type": "application/json"}
    before = json.loads(endpoint.fetch("POST", "/_emrbox/clock", post, b'{"frozen": true}')[1])
    status, body = endpoint.fetch("POST", "/_emrbox/clock", post, b'{"advance_seconds": 7200}')
    now = json.loads(body)["now"]
    passed = datetime.fromisoformat(now) - datetime.fromisoformat(before["now"])
    assert (status, passed.total_seconds()) == (200, 7200)
    assert json.loads(endpoint.fetch("GET", "/_emrbox/clock")[1])["frozen"] is True
    for mistake in (b'{"advance_seconds": -1}', b'{"advance_seconds": "x"}', b'{"back": 1}', b"[]", b"{"):
        assert endpoint.fetch("POST", "/_emrbox/clock", post, mistake)[0] == 400


def test_switches_are_not_for_web_pages_and_nodes(endpoint: Any) -> None:
    json_type = {"Content-Type": "application/json"}
    refused = (
        {"Content-Type": "text/plain"},  # what a form of any page may send
        {**json_type, "Origin": "http://evil.example"},
        {**json_type, "Host": "evil.example"},  # a name that was made to point here
        {**json_type, "Host": "aws.emrbox.internal"},  # as nodes say
    )
    for headers in refused:
        assert endpoint.fetch("POST", "/_emrbox/clock", headers, b'{"frozen": true}')[0] in {403, 415}
    own_page = {**json_type, "Origin": endpoint.url}
    assert endpoint.fetch("POST", "/_emrbox/clock", own_page, b"{}")[0] == 200
    assert endpoint.fetch("DELETE", "/_emrbox/clock", json_type)[0] == 405
    assert endpoint.fetch("GET", "/_emrbox/nothing")[0] == 404


def test_it_answers_health_and_status_and_serves_the_repository(endpoint: Any) -> None:
    assert endpoint.fetch("GET", "/_emrbox/health") == (200, b'{"healthy": true}\n')
    assert endpoint.fetch("GET", "/_emrbox/status") == (200, b'{"clusters": []}\n')
    repository = {"Host": "repo.emrbox.internal"}
    assert endpoint.fetch("GET", "/repomd.xml", repository) == (200, b"<repomd/>")
    assert endpoint.fetch("GET", "/../log/calls.jsonl", repository)[0] == 404
