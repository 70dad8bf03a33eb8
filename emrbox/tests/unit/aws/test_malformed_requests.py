"""Requests that do not fit EMR's model, ten thousand in `make soak`: all are refused as AWS does."""

from __future__ import annotations

import copy
import io
import json
import random
from collections import Counter
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hostile import often
from moto.iam.models import iam_backends
from scripted_uis import scripted_uis

from emrbox.athena.service import AthenaService
from emrbox.aws.account import seed_account
from emrbox.aws.protocol import service_model
from emrbox.config import ACCOUNT_ID, BoxConfig, Images
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.session_access import SessionAccess
from emrbox.emr.life.store import Store
from emrbox.front.application import Application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 4
ADMIN = Credentials("AKIA" + "A" * 16, "admin-canary")
MODEL = service_model("emr")
OPERATIONS = [MODEL.operation_model(name) for name in MODEL.operation_names]
URL = "http://127.0.0.1/"
DEEPEST = 6
# A value of each JSON type; what is wrong for a shape is every type but its own.
OF_TYPE: dict[str, Any] = {
    "string": "text",
    "integer": 7,
    "double": 7.5,
    "boolean": True,
    "structure": {"Some": "thing"},
    "list": [["x"]],
}
SAME_JSON_TYPE = {"long": "integer", "map": "structure", "timestamp": "string", "float": "double"}


class Emr:
    """EMR behind the endpoint's application, without sockets."""

    def __init__(self, folder: Path) -> None:
        config = BoxConfig(
            home=folder,
            port=1,
            network=IPv4Network("10.213.0.0/22"),
            admin_access_key_id=ADMIN.access_key,
            admin_secret_access_key=ADMIN.secret_key,
            images=Images(base=folder, releases={}, rpm_repository=folder),
        )
        seed_account(ADMIN.access_key, ADMIN.secret_key)
        hollow = Hollow()
        hollow.scripts.all_launches = True
        store = Store(SystemClock(), lambda _: pytest.fail("a real node"), lambda name: name, hollow)
        self.application = Application(
            config,
            EmrService(store, uis=scripted_uis(), access=SessionAccess(store, 1)),
            AthenaService("http://127.0.0.1"),
        )

    def send(
        self, operation: str, body: bytes, credentials: Credentials = ADMIN, *, tamper: bool = False
    ) -> tuple[int, dict[str, Any]]:
        """Sign and send one request; `tamper` changes it after it was signed."""
        target = f"ElasticMapReduce.{operation}"
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", URL, headers=headers, data=body)
        SigV4Auth(credentials, "elasticmapreduce", "us-east-1").add_auth(request)
        if tamper:
            body += b" "
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        status: list[int] = []

        def start_response(line: str, _headers: Any, _problem: Any = None) -> Any:
            status.append(int(line.split(" ", 1)[0]))

        answer = b"".join(self.application(environ, start_response))
        return status[0], json.loads(answer or b"{}")

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        status, answer = self.send(operation, json.dumps(request).encode())
        assert status == 200, answer
        return answer

    def launch(self) -> str:
        groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
        answer = self.call(
            "RunJobFlow",
            Name="live",
            ReleaseLabel="emr-spark-8.0.0",
            ServiceRole="service",
            JobFlowRole="nodes",
            Instances={"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True},
        )
        return str(answer["JobFlowId"])


@pytest.fixture
def emr(tmp_path: Path, empty_moto: None) -> Iterator[Emr]:  # noqa: ARG001  its effect is wanted
    running = Emr(tmp_path)
    yield running
    running.application.close()


class Writer:
    """Writes requests that fit the model, then breaks them."""

    def __init__(self, cluster_id: str, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self.ways: Counter[str] = Counter()  # in which requests were broken
        self._known = {
            "ClusterId": cluster_id,
            "JobFlowId": cluster_id,
            "ResourceId": cluster_id,
            "XmlString": cluster_id,
            "ReleaseLabel": "emr-spark-8.0.0",
            "InstanceType": "m5.xlarge",
            "ServiceRole": "service",
            "JobFlowRole": "nodes",
        }

    def fitting(self, shape: Any, name: str = "", depth: int = 0) -> Any:  # noqa: PLR0911  # one a kind of shape
        """Return a value that fits a shape."""
        kind, limits = shape.type_name, shape.metadata
        if kind == "structure":
            chosen = [
                n
                for n in shape.members
                if n in shape.required_members or (depth < DEEPEST and self.random.random() < 0.3)
            ]
            return {n: self.fitting(shape.members[n], n, depth + 1) for n in chosen}
        if kind == "list":
            least = limits.get("min", 0)
            count = max(least, self.random.randint(0, 2) if depth < DEEPEST else 0)
            return [self.fitting(shape.member, name, depth + 1) for _ in range(count)]
        if kind == "map":
            return {"key": self.fitting(shape.value, name, depth + 1)} if depth < DEEPEST else {}
        if kind == "string":
            if limits.get("enum"):
                return self.random.choice(limits["enum"])
            return self._known.get(name) or self._known.get(shape.name) or "x" * max(1, limits.get("min", 0))
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "timestamp":
            return self.random.randint(0, 2**31)
        least = max(int(limits.get("min", 0)), 0)
        return self.random.randint(least, max(least, min(int(limits.get("max", 100)), 100)))

    def malformed(self, operation: Any) -> bytes:
        """Return a body that the model does not allow for this operation."""
        if operation.input_shape is None or self.random.random() < 0.05:
            return self._not_a_request()
        request = self.fitting(operation.input_shape)
        break_one = self.random.choice(
            (self._leave_out, self._add, self._mistype, self._mistype, self._exceed, self._grow)
        )
        while not break_one(request, operation.input_shape):
            break_one = self.random.choice((self._add, self._mistype))
        self.ways[break_one.__name__] += 1
        return json.dumps(request).encode()

    def _not_a_request(self) -> bytes:
        self.ways["_not_a_request"] += 1
        deep = b"[" * 5000 + b"]" * 5000
        bodies = (b"{", b"[]", b"null", b"\xff\xfe", b'{"a":NaN}', b'"text"', b'{"Name":' + deep + b"}", b"7")
        return self.random.choice(bodies)

    def _places(self, value: Any, shape: Any) -> list[tuple[Any, Any, Any]]:
        """Return (container, key or index, shape of what stands there) of everything in a value."""
        if shape.type_name == "structure":
            inside = [(value, name, shape.members[name]) for name in value]
        elif shape.type_name == "list":
            inside = [(value, index, shape.member) for index in range(len(value))]
        elif shape.type_name == "map":
            inside = [(value, key, shape.value) for key in value]
        else:
            return []
        return inside + [p for c, k, s in inside for p in self._places(c[k], s)]

    def _structures(self, request: Any, shape: Any) -> list[tuple[dict[str, Any], Any]]:
        found = [(request, shape)]
        found += [(c[k], s) for c, k, s in self._places(request, shape) if s.type_name == "structure"]
        return found

    def _leave_out(self, request: Any, shape: Any) -> bool:
        places = [(v, n) for v, s in self._structures(request, shape) for n in s.required_members]
        if not places:
            return False
        value, name = self.random.choice(places)
        if self.random.random() < 0.5:
            del value[name]
        else:
            value[name] = None
        return True

    def _add(self, request: Any, shape: Any) -> bool:
        value, _ = self.random.choice(self._structures(request, shape))
        value[self.random.choice(("Extra", "name", "\u0000", "x" * 5000, ""))] = copy.deepcopy(
            self.random.choice(list(OF_TYPE.values()))
        )
        return True

    def _mistype(self, request: Any, shape: Any) -> bool:
        places = self._places(request, shape)
        if not places:
            return False
        container, key, at = self.random.choice(places)
        own = SAME_JSON_TYPE.get(at.type_name, at.type_name)
        # A whole number is a fitting double, and a number or any text may be a time.
        fitting = {own, "integer" if own == "double" else own}
        if at.type_name == "timestamp":
            fitting |= {"integer", "double"}
        kind = self.random.choice([kind for kind in OF_TYPE if kind not in fitting])
        container[key] = copy.deepcopy(OF_TYPE[kind])
        return True

    def _exceed(self, request: Any, shape: Any) -> bool:
        choices: list[tuple[Any, Any, Any]] = []
        for container, key, at in self._places(request, shape):
            limits = at.metadata
            if at.type_name in ("integer", "long"):
                choices += [(container, key, 2**63), (container, key, -(2**70)), (container, key, 1e300)]
            if at.type_name == "timestamp":
                choices += [(container, key, 1e300), (container, key, "no time")]
            if limits.get("enum"):
                choices += [(container, key, "NO_SUCH_VALUE"), (container, key, "")]
            if at.type_name == "string" and "max" in limits:
                choices += [(container, key, "x" * (limits["max"] + 1))]
        if not choices:
            return False
        container, key, value = self.random.choice(choices)
        container[key] = value
        return True

    def _grow(self, request: Any, shape: Any) -> bool:
        """Put something huge where it does not belong."""
        value, _ = self.random.choice(self._structures(request, shape))
        huge = self.random.choice(("x" * 200_000, [0] * 20_000, {str(i): i for i in range(2000)}, 10**400))
        value["Huge"] = huge
        return True


@pytest.mark.soak
def test_malformed_requests_are_refused_and_never_break_anything(
    emr: Emr, caplog: pytest.LogCaptureFixture
) -> None:
    count = often(2_000, 10_000)
    cluster_id = emr.launch()
    writer = Writer(cluster_id, SEED)
    codes: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for _ in range(count):
        operation = writer.random.choice(OPERATIONS)
        asked[operation.name] += 1
        body = writer.malformed(operation)
        status, answer = emr.send(operation.name, body)
        assert 400 <= status < 500, (operation.name, status, answer, body[:2000])
        assert answer["__type"], (operation.name, answer, body[:2000])
        codes[answer["__type"]] += 1
    assert set(codes) <= {"ValidationException", "SerializationException"}, codes
    assert min(codes.values()) > count / 10
    assert len(asked) == len(OPERATIONS)
    assert min(asked.values()) > count / 200
    assert len(writer.ways) == 6
    assert min(writer.ways.values()) > count / 40
    assert not caplog.records
    assert emr.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]["Name"] == "live"
    assert len(emr.call("ListClusters")["Clusters"]) == 1


@pytest.mark.soak
def test_fitting_but_senseless_requests_never_end_in_a_server_error(emr: Emr) -> None:
    writer = Writer(emr.launch(), SEED)
    for _ in range(often(1_000, 10_000)):
        operation = writer.random.choice(OPERATIONS)
        shape = operation.input_shape
        body = json.dumps(writer.fitting(shape) if shape else {}).encode()
        status, answer = emr.send(operation.name, body)
        assert status < 500, (operation.name, answer, body[:2000])
    assert emr.call("ListClusters")["Clusters"]


def test_an_operation_that_does_not_exist_is_refused(emr: Emr) -> None:
    for name in ("Nope", "", "../x", "DescribeCluster.Nope", "_emr"):
        status, answer = emr.send(name, b"{}")
        assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_who_may_nothing_gets_access_denied_for_every_operation(emr: Emr) -> None:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", "powerless")
    key = iam.create_access_key("powerless")
    powerless = Credentials(key.access_key_id, key.secret_access_key)
    writer = Writer(emr.launch(), SEED)
    for operation in OPERATIONS:
        shape = operation.input_shape
        body = json.dumps(writer.fitting(shape) if shape else {}).encode()
        status, answer = emr.send(operation.name, body, powerless)
        assert (status, answer["__type"]) == (400, "AccessDeniedException"), (operation.name, answer)
        assert f"elasticmapreduce:{operation.name}" in answer["message"]


def test_a_request_that_was_changed_after_signing_is_refused(emr: Emr) -> None:
    writer = Writer(emr.launch(), SEED)
    for operation in OPERATIONS:
        shape = operation.input_shape
        body = json.dumps(writer.fitting(shape) if shape else {}).encode()
        status, answer = emr.send(operation.name, body, tamper=True)
        assert (status, answer["__type"]) == (400, "InvalidSignatureException")
