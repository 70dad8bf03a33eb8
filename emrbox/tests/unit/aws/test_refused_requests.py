"""What no service may see: calls without a signature, text that it cannot answer again, AWS's own tags."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hostile import MANY, many, texts
from hypothesis import given
from hypothesis import strategies as st
from moto.backends import list_of_moto_modules
from moto.ec2.models import ec2_backends
from werkzeug.wrappers import Request

from emrbox.aws import requests
from emrbox.config import ACCOUNT_ID, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "application/x-www-form-urlencoded"
ADMIN = Credentials("AKIA" + "A" * 16, "admin-canary")
JOB_FLOW_TAG = "aws:elasticmapreduce:job-flow-id"


def form_request(**fields: str) -> tuple[Request, bytes]:
    body = urlencode(fields).encode()
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": FORM, "PATH_INFO": "/", "QUERY_STRING": ""}
    scope = "AKIA/20261121/us-east-1/ec2/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    more = {"HTTP_AUTHORIZATION": signed, "HTTP_X_AMZ_DATE": "20261121T000000Z"}
    return Request({**environ, **more, "wsgi.input": io.BytesIO(body)}), body


def launch(ec2: Any) -> str:
    answer = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    return str(answer["Instances"][0]["InstanceId"])


def tags_of(ec2: Any, instance_id: str) -> dict[str, str]:
    answer = ec2.describe_instances(InstanceIds=[instance_id])
    tags = answer["Reservations"][0]["Instances"][0].get("Tags", [])
    return {tag["Key"]: tag["Value"] for tag in tags}


def code_of(call: Any) -> str:
    with pytest.raises(ClientError) as refusal:
        call()
    assert 400 <= refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return str(refusal.value.response["Error"]["Code"])


class Tags:
    """Tags that EC2 takes, set on instances of an endpoint and read back."""

    def __init__(self, endpoint: Any) -> None:
        self._ec2 = endpoint.client("ec2")
        self._taken: dict[str, str] = {}
        self.counts = {"taken": 0, "refused": 0}

    def attempt(self, key: str, value: str) -> None:
        try:
            fields = {"Tag.1.Key": key, "Tag.1.Value": value, "Action": "CreateTags"}
            request, body = form_request(**fields)
        except UnicodeEncodeError:
            return  # no client can send that
        if requests.refusal(request, body, "ec2"):
            self.counts["refused"] += 1
            return
        self.counts["taken"] += 1
        self._taken[key] = value
        if len(self._taken) == 50:  # EC2's own limit of a resource
            self.read_back()

    def read_back(self) -> None:
        instance_id = launch(self._ec2)
        tags = [{"Key": key, "Value": value} for key, value in self._taken.items()]
        if tags:
            self._ec2.create_tags(Resources=[instance_id], Tags=tags)
        assert tags_of(self._ec2, instance_id) == self._taken
        self._taken.clear()


@pytest.mark.soak
def test_a_tag_is_refused_or_read_back_as_it_was_written(endpoint: Any) -> None:
    tags = Tags(endpoint)

    @many
    @given(key=texts("Name", "aws:x", "cluster_name"), value=texts("x", "aws:x", "\r\n\t x"))
    def attempt(key: str, value: str) -> None:
        tags.attempt(key, value)

    attempt()
    tags.read_back()
    assert min(tags.counts.values()) > MANY // 40


@pytest.mark.parametrize("key", ["aws:x", "AWS:x", JOB_FLOW_TAG, "", "x" * 129, "a\x01b", "\ufffe"])
def test_ec2_refuses_tags_that_are_reserved_or_malformed(endpoint: Any, key: str) -> None:
    ec2 = endpoint.client("ec2")
    instance_id = launch(ec2)
    tags: list[Any] = [{"Key": key, "Value": "v"}]
    specified: Any = [{"ResourceType": "instance", "Tags": tags}]
    launch_again = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
    volume: Any = [{"ResourceType": "volume", "Tags": tags}]
    calls = (
        lambda: ec2.create_tags(Resources=[instance_id], Tags=tags),
        lambda: ec2.delete_tags(Resources=[instance_id], Tags=tags),
        lambda: ec2.run_instances(**launch_again, TagSpecifications=specified),
        lambda: ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=volume),
    )
    for call in calls:
        assert code_of(call) == "InvalidParameterValue"
    assert tags_of(ec2, instance_id) == {}


def test_a_tag_that_aws_has_set_cannot_be_removed(endpoint: Any) -> None:
    ec2 = endpoint.client("ec2")
    instance_id = launch(ec2)
    ec2_backends[ACCOUNT_ID][REGION].create_tags([instance_id], {JOB_FLOW_TAG: "j-1"})
    removal = {"Resources": [instance_id], "Tags": [{"Key": JOB_FLOW_TAG}]}
    assert code_of(lambda: ec2.delete_tags(**removal)) == "InvalidParameterValue"
    assert tags_of(ec2, instance_id) == {JOB_FLOW_TAG: "j-1"}


@pytest.mark.parametrize("keys", [("aws:x", "ok"), ("ok", "aws:x"), ("ok", "ok")])
@pytest.mark.parametrize("places", ["body body", "query query", "query body", "body query"])
def test_a_parameter_that_stands_there_twice_is_refused(
    endpoint: Any, keys: tuple[str, str], places: str
) -> None:
    ec2 = endpoint.client("ec2")
    instance_id = launch(ec2)
    call = {"Action": "CreateTags", "Version": "2016-11-15", "ResourceId.1": instance_id, "Tag.1.Value": "v"}
    parts = {"body": [urlencode(call)], "query": []}
    for place, key in zip(places.split(), keys, strict=True):
        parts[place].append(urlencode({"Tag.1.Key": key}))
    query, body = "&".join(parts["query"]), "&".join(parts["body"]).encode()
    headers = {"Content-Type": FORM, "Host": "ec2.us-east-1.amazonaws.com"}
    request = AWSRequest("POST", f"http://127.0.0.1/?{query}", headers=headers, data=body)
    SigV4Auth(ADMIN, "ec2", REGION).add_auth(request)
    assert answer(endpoint.application, "POST", f"/?{query}", dict(request.headers.items()), body) == 400
    assert tags_of(ec2, instance_id) == {}


def test_s3_and_iam_refuse_reserved_tags(endpoint: Any) -> None:
    s3, iam = endpoint.client("s3"), endpoint.client("iam")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=b"")
    tags: Any = [{"Key": "aws:x", "Value": "v"}]
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    calls = (
        lambda: s3.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": tags}),
        lambda: s3.put_object_tagging(Bucket="bucket", Key="k", Tagging={"TagSet": tags}),
        lambda: s3.put_object(Bucket="bucket", Key="k2", Body=b"", Tagging="aws%3Ax=v"),
        lambda: iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust, Tags=tags),
    )
    for call in calls:
        code_of(call)


def test_what_is_stored_otherwise_is_answered_as_xml_that_can_be_read(endpoint: Any) -> None:
    ec2 = endpoint.client("ec2")
    instance_id = launch(ec2)
    ec2_backends[ACCOUNT_ID][REGION].create_tags([instance_id], {"from a hook": "a\x01b\r\ud7ff"})
    assert tags_of(ec2, instance_id) == {"from a hook": "a\ufffdb\r\ud7ff"}
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="own.xml", Body=b"<a>\r\n\x01</a>", ContentType="text/xml")
    assert s3.get_object(Bucket="bucket", Key="own.xml")["Body"].read() == b"<a>\r\n\x01</a>"
    assert s3.head_object(Bucket="bucket", Key="own.xml")["ContentLength"] == 10
    assert ec2.describe_tags()["Tags"]


TO_FORMS, NO_TOKEN = {"Content-Type": FORM}, "MissingAuthenticationToken"
# Name -> method, path, headers, body, status and code of the answer.
UNSIGNED: dict[str, tuple[str, str, dict[str, str], str, int, str]] = {
    "ec2": ("POST", "/", TO_FORMS, "Action=DescribeInstances&Version=2016-11-15", 401, "AuthFailure"),
    "iam": ("POST", "/", TO_FORMS, "Action=ListRoles&Version=2010-05-08", 403, NO_TOKEN),
    "sts": ("POST", "/", TO_FORMS, "Action=GetCallerIdentity&Version=2011-06-15", 403, NO_TOKEN),
    "dynamodb": ("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}, "{}", 400, NO_TOKEN),
    "events": ("POST", "/", {"X-Amz-Target": "AWSEvents.ListRules"}, "{}", 400, f"{NO_TOKEN}Exception"),
    "s3": ("GET", "/bucket/key", {}, "", 403, "AccessDenied"),
    "s3 by a presigned URL": ("GET", "/bucket/key?X-Amz-Signature=0", {}, "", 400, "InvalidRequest"),
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_a_call_without_a_signature_is_refused_as_its_service_does(endpoint: Any, name: str) -> None:
    method, path, headers, body, status, code = UNSIGNED[name]
    answered, text = endpoint.fetch(method, path, headers, body.encode())
    assert answered == status
    assert code in text.decode()
    if "X-Amz-Target" not in headers:
        ET.fromstring(text)  # noqa: S314  # what this endpoint itself has written


def test_moto_s_own_metadata_is_closed(endpoint: Any) -> None:
    for path in ("/latest/meta-data/iam/security-credentials/", "//latest/meta-data/x", "/latest/api/token"):
        assert endpoint.fetch("GET", path)[0] == 403


SERVICES = sorted(list_of_moto_modules())
SIGNED_SERVICES = ("ec2", "iam", "sts", "s3", "dynamodb", "sqs", "ssm", "events", "logs", "secretsmanager")
HEADERS = st.dictionaries(
    st.sampled_from(["X-Amz-Target", "Authorization", "X-Amz-Date", "Content-Type", "X-Amz-Security-Token"]),
    st.one_of(
        st.sampled_from(
            [FORM, "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request"]
        ),
        st.sampled_from([f"{name}.List" for name in ("DynamoDB_20120810", "AmazonSSM", "AWSEvents", "x")]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    ),
    max_size=4,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"{", b"{}", b"[]", b"null", b"<a", b"<a/>", b"[" * 2000, b"Action=", b"Action=Nope"]),
    st.sampled_from(
        [
            b"Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=x",
            b"Action=RunInstances&Version=2016-11-15&MinCount=x",
            b"Action=CreateTags&Version=2016-11-15&Tag.1.Key=a",
            b"Action=CreateRole&Version=2010-05-08",
            b"Action=AssumeRole&Version=2011-06-15&RoleArn=x",
            b'{"TableName": 7}',
            b'{"QueueUrl": []}',
        ]
    ),
)


def answer(application: Any, method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
    parts = urlsplit(url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    status: list[int] = []

    def start_response(line: str, _headers: Any, _problem: Any = None) -> Any:
        status.append(int(line.split(" ", 1)[0]))

    b"".join(application(environ, start_response))
    return status[0]


@pytest.mark.soak
def test_an_unsigned_or_malformed_call_is_never_a_server_error(endpoint: Any) -> None:
    application = endpoint.application

    @many
    @given(
        service=st.sampled_from(SERVICES),
        method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
        path=st.sampled_from(
            ["/", "/b", "/b/k", "/?list-type=2", "/b?tagging", "/2015-03-31/functions/", "//x"]
        ),
        headers=HEADERS,
        body=BODIES,
    )
    def attempt(service: str, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        status = answer(application, method, path, {"Host": f"{service}.amazonaws.com", **headers}, body)
        assert 400 <= status < 500

    attempt()


@pytest.mark.soak
def test_a_signed_call_that_makes_no_sense_is_never_a_server_error(
    endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = endpoint.application
    # moto logs a traceback for each: writing them takes longer than all the calls.
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)

    @many
    @given(
        service=st.sampled_from(SIGNED_SERVICES),
        method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
        path=st.sampled_from(["/", "/b", "/b/k", "/b?tagging", "/b?delete"]),
        headers=HEADERS.map(
            lambda headers: {k: v for k, v in headers.items() if k in ("X-Amz-Target", "Content-Type")}
        ),
        body=BODIES,
    )
    def attempt(service: str, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        request = AWSRequest(method, f"http://127.0.0.1{path}", headers=headers, data=body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(ADMIN, service, REGION).add_auth(request)
        assert answer(application, method, path, dict(request.headers.items()), body) < 500

    attempt()
