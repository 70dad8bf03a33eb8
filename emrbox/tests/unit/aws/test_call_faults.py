"""Faults of calls, as clients meet them over HTTP; and the log of calls."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

JSON = {"Content-Type": "application/json"}


def post(endpoint: Any, page: str, document: Any) -> Any:
    status, body = endpoint.fetch("POST", f"/_emrbox/{page}", JSON, json.dumps(document).encode())
    assert status == 200, body
    return json.loads(body)


def add(endpoint: Any, kind: str, **document: Any) -> str:
    return str(post(endpoint, "faults", {"add": {"kind": kind, **document}})["fault"]["id"])


def page(endpoint: Any, name: str) -> Any:
    return json.loads(endpoint.fetch("GET", f"/_emrbox/{name}")[1])


def test_an_error_is_worded_in_the_protocol_of_each_service(endpoint: Any) -> None:
    parameters = {"code": "SlowDown", "message": "Please <wait>", "status": 503}
    add(endpoint, "error", service="*", parameters=parameters)
    for call in (
        endpoint.client("emr").list_clusters,
        endpoint.client("s3").list_buckets,
        endpoint.client("ec2").describe_instances,
        endpoint.client("iam").list_roles,
    ):
        with pytest.raises(ClientError) as refusal:
            call()
        answer = refusal.value.response
        assert answer["Error"]["Code"] == "SlowDown"
        assert answer["Error"]["Message"] == "Please <wait>"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_a_reset_comes_before_the_effect_and_a_lost_reply_after_it(endpoint: Any) -> None:
    s3 = endpoint.client("s3")
    add(endpoint, "reset", service="s3", operation="CreateBucket", count=1)
    with pytest.raises(ConnectionClosedError):
        s3.create_bucket(Bucket="first")
    assert s3.list_buckets()["Buckets"] == []
    add(endpoint, "lost-reply", service="s3", operation="CreateBucket", count=1)
    with pytest.raises(ConnectionClosedError):
        s3.create_bucket(Bucket="second")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["second"]
    errors = [call["error"] for call in endpoint.calls() if call["operation"] == "CreateBucket"]
    assert errors == ["ConnectionReset", "ReplyLost"]


def test_a_reset_is_a_true_reset(endpoint: Any) -> None:
    add(endpoint, "reset")
    connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=60)
    connection.request("POST", "/", b"{}", {"X-Amz-Target": "ElasticMapReduce.ListClusters"})
    with pytest.raises(ConnectionResetError, match="reset by peer"):
        connection.getresponse()
    connection.close()


def test_a_slow_answer_is_held_back(endpoint: Any) -> None:
    add(endpoint, "slow", count=1, parameters={"seconds": 0.3})
    began = time.monotonic()
    endpoint.client("emr").list_clusters()
    assert time.monotonic() - began >= 0.3


def test_throttling_allows_the_published_burst(endpoint: Any) -> None:
    emr = endpoint.client("emr")
    fault = add(endpoint, "throttle", parameters={"scale": 0.1})
    emr.list_clusters()
    emr.list_clusters()
    with pytest.raises(ClientError) as refusal:
        emr.list_clusters()
    assert refusal.value.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    post(endpoint, "faults", {"remove": fault})
    emr.list_clusters()


def test_a_refused_termination_is_only_that(endpoint: Any) -> None:
    emr = endpoint.client("emr")
    add(endpoint, "termination-refused", cluster="j-KEPT")
    with pytest.raises(ClientError, match="termination protected"):
        emr.terminate_job_flows(JobFlowIds=["j-KEPT"])
    with pytest.raises(ClientError, match="not valid"):
        emr.terminate_job_flows(JobFlowIds=["j-OTHER"])
    emr.list_clusters()


def test_faults_are_listed_with_how_often_they_acted_and_invalid_changes_are_refused(endpoint: Any) -> None:
    add(endpoint, "error", count=3, operation="ListClusters")
    with pytest.raises(ClientError):
        endpoint.client("emr").list_clusters()
    (fault,) = page(endpoint, "faults")["faults"]
    assert (fault["kind"], fault["fired"], fault["count"]) == ("error", 1, 2)
    for mistake in ({"add": {"kind": "x"}}, {"add": 1}, {"remove": "f-9"}, {}, {"explode": 1}):
        status, body = endpoint.fetch("POST", "/_emrbox/faults", JSON, json.dumps(mistake).encode())
        assert status == 400
        assert json.loads(body)["error"]
    for broken in (b"[" * 100_000, b'{"add": {"kind": "slow", "parameters": {"seconds": NaN}}}', b"\xff"):
        assert endpoint.fetch("POST", "/_emrbox/faults", JSON, broken)[0] == 400
    kinds = {kind["kind"]: kind for kind in page(endpoint, "fault-kinds")["kinds"]}
    assert kinds["hang"]["clusters"] == "real"
    assert post(endpoint, "faults", {"clear": True}) == {"faults": []}


def test_calls_can_be_asked_for_by_who_what_and_when(endpoint: Any) -> None:
    endpoint.client("emr").list_clusters()
    with pytest.raises(ClientError):
        endpoint.client("emr").describe_cluster(ClusterId="j-1")
    endpoint.client("s3").list_buckets()
    emr = page(endpoint, "calls?service=elasticmapreduce")
    assert [call["operation"] for call in emr["calls"]] == ["DescribeCluster", "ListClusters"]
    assert "Boto3/" in emr["calls"][0]["client"]
    assert page(endpoint, "calls?status=4&principal=*admin")["found"] == 1
    assert page(endpoint, "calls?operation=List*&limit=1")["found"] == 2
    assert len(page(endpoint, "calls?limit=1")["calls"]) == 1
    assert page(endpoint, "calls?since=60")["found"] == 3
    assert page(endpoint, "calls?since=2999-01-01T00:00:00")["found"] == 0
    assert endpoint.fetch("GET", "/_emrbox/calls?who=me")[0] == 400
    assert page(endpoint, "calls?error=*")["found"] == 1
    for wrong in ("since=yesterday", "since=inf", "limit=-1", "limit=few"):
        status, body = endpoint.fetch("GET", f"/_emrbox/calls?{wrong}")
        assert (status, wrong.partition("=")[0] in json.loads(body)["error"]) == (400, True)
