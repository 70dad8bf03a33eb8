"""The real effects against moto's server: S3's conditions, pages, and errors as kiln names them."""

from __future__ import annotations

import io
import json
import socket
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.response import StreamingBody
from botocore.stub import Stubber
from fakes import shape
from moto.server import ThreadedMotoServer
from urllib3 import HTTPResponse

from kiln.aws.boto import Boto
from kiln.aws.boto_s3 import split_uri
from kiln.clock import SystemClock
from kiln.emr.request import launch_request
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    ConditionFailedError,
    PreflightError,
    ThrottledError,
    UnansweredError,
)
from kiln.identity import Identity
from kiln.ledger.schema import Event
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kiln.ledger.schema import Run

IDENTITY = Identity(environment="local", pipeline="p", run_id="r+1:00", owner="o")


def profile(folder: Path, endpoint: str) -> Path:
    file = folder / "config"
    file.write_text(
        f"[profile test]\naws_access_key_id = x\naws_secret_access_key = y\nendpoint_url = {endpoint}\n"
    )
    return file


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boto:
    # What a shell may hold must not be where kiln goes.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    file = profile(tmp_path, endpoint)
    keys: dict[str, Any] = {
        "aws_access_key_id": "x",
        "aws_secret_access_key": "y",
        "region_name": "us-east-1",
    }
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="state")
    return Boto(region="us-east-1", profile="test", config_file=file)


@pytest.mark.parametrize("text", ["garbage [", "[profile test]\nkey\n", "\xff"])
def test_a_config_file_that_is_none_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_bytes(text.encode("latin-1"))
    with pytest.raises(PreflightError, match="config"):
        Boto(region="us-east-1", profile="test", config_file=tmp_path / "config")


def test_a_conditional_write_happens_once(aws: Boto) -> None:
    uri = "s3://state/once.json"
    assert aws.get_object(uri) is None
    first = aws.put_object(uri, b"1", replaces=None)
    with pytest.raises(ConditionFailedError):
        aws.put_object(uri, b"2", replaces=None)
    aws.put_object(uri, b"2", replaces=first)
    with pytest.raises(ConditionFailedError):
        aws.put_object(uri, b"3", replaces=first)
    stored = aws.get_object(uri)
    assert stored is not None
    assert stored.body == b"2"
    assert [found.uri for found in aws.list_objects("s3://state/onc")] == [uri]


@pytest.mark.parametrize(
    ("listed", "absent"),
    [
        ([], True),
        (["kiln/ledger/local/p/r.json2"], True),
        (["kiln/ledger/local/p/r.json"], False),
        (None, False),
    ],
)
def test_a_refused_object_is_absent_when_its_listing_lacks_it(
    aws: Boto, listed: list[str] | None, *, absent: bool
) -> None:
    key = "kiln/ledger/local/p/r.json"
    with Stubber(aws._s3) as s3:
        s3.add_client_error("get_object", "AccessDenied", http_status_code=403)
        if listed is None:
            s3.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
        else:
            contents = [
                {"Key": name, "Size": 1, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)} for name in listed
            ]
            s3.add_response("list_objects_v2", {"Contents": contents}, {"Bucket": "state", "Prefix": key})
        if key in (listed or ()):
            s3.add_client_error("get_object", "AccessDenied", http_status_code=403)
        if absent:
            assert aws.get_object(f"s3://state/{key}") is None
        else:
            with pytest.raises(AwsError, match="GetObject") as refused:
                aws.get_object(f"s3://state/{key}")
            assert refused.value.exit_code == PreflightError.exit_code


def test_an_object_that_another_process_writes_meanwhile_is_read(aws: Boto) -> None:
    key = "kiln/locks/local/p.json"
    written = {"Key": key, "Size": 1, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}
    body = StreamingBody(io.BytesIO(b"{}"), 2)
    with Stubber(aws._s3) as s3:
        s3.add_client_error("get_object", "AccessDenied", http_status_code=403)
        s3.add_response("list_objects_v2", {"Contents": [written]}, {"Bucket": "state", "Prefix": key})
        s3.add_response("get_object", {"Body": body, "ContentLength": 2, "ETag": "e"})
        found = aws.get_object(f"s3://state/{key}")
    assert found is not None
    assert found.body == b"{}"


def add_event(event: Event, run: Run) -> None:
    run.events.append(event)


def test_a_ledger_lives_in_s3(aws: Boto) -> None:
    ledger = Ledger(aws, SystemClock(), "s3://state/kiln", IDENTITY)
    assert ledger.read() is None
    for number in range(3):
        event = Event(at="now", kind=str(number))
        ledger.update(partial(add_event, event))
    kept = ledger.read()
    assert kept is not None
    assert [event.kind for event in kept.events] == ["0", "1", "2"]


def test_a_cluster_is_launched_seen_and_ended(aws: Boto) -> None:
    cluster_id = aws.run_job_flow(launch_request(IDENTITY, shape(), SystemClock().now()))
    seen = aws.describe_cluster(cluster_id)
    assert seen.tags["run_id"] == "r+1:00"
    assert seen.log_uri == "s3://logs/emr/"
    assert cluster_id in {one.id for one in aws.list_clusters({seen.state})}
    assert {node.group for node in aws.list_instances(cluster_id)} == {"MASTER", "CORE"}
    aws.set_termination_protection(cluster_id, protected=False)
    aws.terminate_cluster(cluster_id)
    assert aws.describe_cluster(cluster_id).state == "TERMINATED"


@pytest.mark.parametrize(("force", "option"), [(False, "SEND_INTERRUPT"), (True, "TERMINATE_PROCESS")])
def test_steps_are_cancelled_by_signal_or_by_force(aws: Boto, option: str, *, force: bool) -> None:
    asked = {"ClusterId": "j-1", "StepIds": ["s-1", "s-2"], "StepCancellationOption": option}
    with Stubber(aws._emr) as emr:
        emr.add_response("cancel_steps", {"CancelStepsInfoList": []}, asked)
        aws.cancel_steps("j-1", ["s-1", "s-2"], force=force)


@pytest.mark.parametrize("status", [400, 500, 503])
def test_botocore_repeats_nothing(aws: Boto, status: int) -> None:
    sent: list[str] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.url)
        body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
        raw = HTTPResponse(body=io.BytesIO(body), preload_content=False)
        return AWSResponse(request.url, status, HTTPHeaders(), raw)

    aws._emr.meta.events.register("before-send.emr", answer)
    with pytest.raises(ThrottledError):
        aws.describe_cluster("j-1")
    assert len(sent) == 1


def test_a_cluster_that_never_was_is_not_found(aws: Boto) -> None:
    with pytest.raises(ClusterNotFoundError):
        aws.describe_cluster("j-NOSUCHCLUSTER")


def test_an_endpoint_that_is_not_there_is_exit_10_and_says_what_to_start(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    aws = Boto(region="us-east-1", profile="test", config_file=profile(tmp_path, address))
    with pytest.raises(UnansweredError) as error:
        aws.run_job_flow({"Name": "x", "Instances": {}})
    assert error.value.exit_code == 10
    assert address in error.value.message
    assert "make local" in error.value.fix


def test_an_account_that_is_not_set_up_is_exit_10(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="does not exist") as missing:
        Boto(region="us-east-1", profile="test", config_file=tmp_path / "none")
    assert "make local" in missing.value.fix
    with pytest.raises(PreflightError, match="nobody"):
        Boto(region="us-east-1", profile="nobody", config_file=profile(tmp_path, "http://127.0.0.1:1"))


def test_a_uri_falls_into_bucket_and_key() -> None:
    assert split_uri("s3://bucket/a/b#c?d") == ("bucket", "a/b#c?d")
    assert split_uri("s3://bucket/bucket/x") == ("bucket", "bucket/x")


@pytest.mark.parametrize(
    "code", ["InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidAMIID.Malformed"]
)
def test_an_image_and_a_snapshot_that_are_gone_are_removed_already(aws: Boto, code: str) -> None:
    gone = code != "InvalidAMIID.Malformed"
    with Stubber(aws._ec2) as ec2:
        ec2.add_client_error("deregister_image", code, http_status_code=400)
        ec2.add_client_error("delete_snapshot", "InvalidSnapshot.NotFound", http_status_code=400)
        with nullcontext() if gone else pytest.raises(AwsError, match="Malformed"):
            aws.deregister_image("ami-00000001")
        aws.delete_snapshot("snap-00000001")
    with Stubber(aws._ec2) as ec2:
        ec2.add_client_error("delete_snapshot", "InvalidSnapshot.InUse", http_status_code=400)
        with pytest.raises(AwsError, match="InUse"):
            aws.delete_snapshot("snap-00000001")


def test_a_message_reaches_a_topic_in_the_topic_s_own_region(aws: Boto) -> None:
    sns, sqs = aws.client("sns", region="eu-west-1"), aws.client("sqs", region="eu-west-1")
    topic = sns.create_topic(Name="kiln-notifications-local")["TopicArn"]
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    aws.publish(topic, "the run failed", "cause: é")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    got = json.loads(message["Body"])
    assert (got["TopicArn"], got["Subject"], got["Message"]) == (topic, "the run failed", "cause: é")
    with pytest.raises(AwsError, match="Publish"):
        aws.publish(topic.replace("kiln", "gone"), "x", "x")
