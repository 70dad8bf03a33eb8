"""Requests and answers by botocore's model."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from emrbox.aws import protocol
from emrbox.aws.errors import AwsError

RUN = protocol.operation_model("emr", "RunJobFlow")
MINIMAL = {"Name": "a", "Instances": {}}


def parse(document: Any, operation: str = "RunJobFlow") -> dict[str, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return protocol.parse_request(protocol.operation_model("emr", operation), body)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b'{"Name": NaN}', b"[" * 100_000])
def test_what_is_not_a_json_object_is_a_serialization_exception(body: bytes) -> None:
    with pytest.raises(AwsError) as refusal:
        parse(body)
    assert (refusal.value.code, refusal.value.status) == ("SerializationException", 400)


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ({"Name": "a"}, "ValidationException", "Value null at 'instances'.*must not be null"),
        ({**MINIMAL, "Nmae": 1}, "ValidationException", "Unknown parameter 'Nmae'"),
        ({**MINIMAL, "Name": 5}, "SerializationException", "int found where string is expected at name"),
        ({**MINIMAL, "Name": "x" * 257}, "ValidationException", "length less than or equal to 256"),
        ({**MINIMAL, "Name": "a\u0001"}, "ValidationException", "regular expression pattern"),
        ({**MINIMAL, "Name": "\ud800"}, "ValidationException", "regular expression pattern"),
        ({**MINIMAL, "StepConcurrencyLevel": 2**31}, "SerializationException", "out of range"),
        ({**MINIMAL, "StepConcurrencyLevel": True}, "SerializationException", "bool found"),
        ({**MINIMAL, "ScaleDownBehavior": "NEVER"}, "ValidationException", "enum value set: .TERMINATE_AT"),
        ({**MINIMAL, "Tags": {}}, "SerializationException", "dict found where list"),
        ({**MINIMAL, "Tags": [{"Key": 1}]}, "SerializationException", r"at tags\.1\.member\.key"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(document: Any, code: str, message: str) -> None:
    with pytest.raises(AwsError, match=message) as refusal:
        parse(document)
    assert (refusal.value.code, refusal.value.status) == (code, 400)


def test_null_is_an_absent_member_and_text_may_be_any_language() -> None:
    assert parse({**MINIMAL, "Name": "größer 😀", "LogUri": None}) == {"Name": "größer 😀", "Instances": {}}


@pytest.mark.parametrize("value", [1793534400, "2026-11-01T12:00:00Z"])
def test_timestamps_come_as_seconds_or_text(value: Any) -> None:
    wanted = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert parse({"CreatedAfter": value}, "ListClusters") == {"CreatedAfter": wanted}


def test_an_answer_is_written_by_the_model_and_must_fit_it() -> None:
    model = protocol.operation_model("emr", "ListClusters")
    moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
    cluster = {"Id": "j-1", "Status": {"Timeline": {"CreationDateTime": moment}}}
    answer = json.loads(protocol.render_answer(model, {"Clusters": [cluster]}))
    assert answer["Clusters"][0]["Status"]["Timeline"] == {"CreationDateTime": 1793534400.0}
    with pytest.raises(RuntimeError, match="does not fit"):
        protocol.render_answer(model, {"Custers": []})


def test_an_unknown_operation_is_named_as_such() -> None:
    with pytest.raises(AwsError) as refusal:
        protocol.operation_model("emr", "MakeCoffee")
    assert refusal.value.code == "UnknownOperationException"


def test_random_requests_are_read_or_refused_but_never_an_error_of_ours() -> None:
    generator = random.Random(7)  # noqa: S311  # not for secrets
    values: list[Any] = [None, True, -1, 2**70, 1.5, "", "x", "x" * 300, [], [None], {}, {"a": 1}, [[{}]]]
    names = protocol.service_model("emr").operation_names
    for _ in range(3000):
        model = protocol.operation_model("emr", generator.choice(names))
        members = list(model.input_shape.members) if model.input_shape else []
        chosen = generator.sample([*members, "Bogus"], k=min(3, len(members) + 1))
        document = {name: generator.choice(values) for name in chosen}
        try:
            protocol.parse_request(model, json.dumps(document).encode())
        except AwsError as refusal:
            assert refusal.status == 400  # noqa: PT017  # either outcome is right
