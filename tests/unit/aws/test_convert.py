"""The boundary to AWS: what people choose stays text, what AWS makes has its form, the rest is no answer."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.aws import convert
from kiln.emr import descriptions
from kiln.errors import UnansweredError
from kiln.identity import RUN_ID

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STATUS = {"State": "WAITING", "Timeline": {"CreationDateTime": NOW}}
CLUSTER: dict[str, Any] = {"Id": "j-1ABC", "Name": "kiln-local-p-r1", "Status": STATUS, "Tags": []}
STEP: dict[str, Any] = {"Id": "s-1ABC", "Name": "sd", "Status": STATUS, "Config": {"Args": []}}
INSTANCE: dict[str, Any] = {
    "Id": "ci-1ABC",
    "Ec2InstanceId": "i-0123456789abcdef0",
    "PrivateIpAddress": "10.0.0.1",
    "InstanceGroupId": "ig-1",
    "Status": {"State": "RUNNING"},
}


@many
@given(name=texts("kiln-local-p-r1"), key=texts("run_id", "pipeline"), value=texts("p", "local"))
def test_names_and_tags_stay_text_and_are_never_a_fault(name: str, key: str, value: str) -> None:
    tags = {"managed_by": "kiln", "environment": "local", "pipeline": "p", key: value}
    shown = [{"Key": one, "Value": text} for one, text in tags.items()]
    seen = convert.cluster({"Cluster": CLUSTER | {"Name": name, "Tags": shown}})
    assert (seen.name, seen.tags) == (name, tags)
    run_id = descriptions.described(seen)["run_id"]
    assert run_id == "" or RUN_ID.fullmatch(run_id)
    assert descriptions.line(seen)


@many
@given(field=st.sampled_from(sorted({*CLUSTER, "LogUri", "MasterPublicDnsName"})), value=documents())
def test_a_cluster_that_is_none_is_no_answer(field: str, value: Any) -> None:
    try:
        seen = convert.cluster({"Cluster": CLUSTER | {field: value}})
    except UnansweredError:
        return
    assert seen.id == "j-1ABC"
    assert re.fullmatch(r"[A-Z_]+", seen.state)
    assert seen.log_uri == "" or re.fullmatch(r"s3://[\w.-]+/[^\x00-\x1f]*", seen.log_uri)


@many
@given(field=st.sampled_from(sorted(INSTANCE)), value=st.one_of(documents(), texts("10.0.0.1", "i-0abc")))
def test_a_node_has_an_address_or_none(field: str, value: Any) -> None:
    try:
        seen = convert.instance(INSTANCE | {field: value}, {"ig-1": "CORE"})
    except UnansweredError:
        return
    if seen.private_ip_address:
        assert str(ipaddress.IPv4Address(seen.private_ip_address)) == seen.private_ip_address
    assert seen.group in {"CORE", ""}
    assert seen.ec2_instance_id == "" or re.fullmatch(r"i-[0-9a-f]{8,17}", seen.ec2_instance_id)


LOST = INSTANCE | {
    "Market": "SPOT",
    "Status": {
        "State": "TERMINATED",
        "StateChangeReason": {"Code": "INSTANCE_FAILURE"},
        "Timeline": {"EndDateTime": NOW},
    },
}


def test_a_lost_node_is_one_that_failed_by_itself() -> None:
    seen = convert.lost_instance(LOST)
    assert seen is not None
    assert (seen.ec2_instance_id, seen.group_id, seen.market) == ("i-0123456789abcdef0", "ig-1", "SPOT")
    assert seen.ended_at == NOW
    for code in ("CLUSTER_TERMINATED", "BOOTSTRAP_FAILURE", None):
        status = {"State": "TERMINATED", "StateChangeReason": {"Code": code}}
        assert convert.lost_instance(LOST | {"Status": status}) is None


@many
@given(field=st.sampled_from(sorted(LOST)), value=st.one_of(documents(), texts("SPOT", "ig-1")))
def test_a_lost_node_of_another_form_is_no_answer(field: str, value: Any) -> None:
    try:
        seen = convert.lost_instance(LOST | {field: value})
    except UnansweredError:
        return
    if seen is not None:
        assert re.fullmatch(r"[a-z]{1,4}-[A-Z0-9]{1,32}", seen.id)
        assert seen.ec2_instance_id == "" or re.fullmatch(r"i-[0-9a-f]{8,17}", seen.ec2_instance_id)
        assert isinstance(seen.market, str)
        assert isinstance(seen.group_id, str)


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (convert.cluster_id, {}),
        (convert.cluster_id, {"JobFlowId": "j-1; rm -rf /"}),
        (convert.cluster_id, {"JobFlowId": "j-1\n"}),
        (convert.step_ids, {"StepIds": ["../x"]}),
        (convert.cluster_summary, CLUSTER | {"Id": "j-{{ 7*7 }}"}),
        (convert.cluster, {}),
        (lambda page: convert.listed(page, "Clusters"), {"message": "<html>"}),
        (lambda page: convert.listed(page, "Steps"), {"Steps": None}),
        (convert.listed_objects, {}),
        (convert.step, STEP | {"Id": None}),
        (convert.step, STEP | {"Status": {"State": "RUNNING", "Timeline": {}}}),
    ],
)
def test_an_id_that_is_none_is_no_answer(read: Callable[[Any], object], document: dict[str, Any]) -> None:
    with pytest.raises(UnansweredError) as error:
        read(document)
    assert error.value.code == "MalformedAnswer"


def dated(text: object) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPHeaders": {"date": text}}}


def test_the_time_of_an_answer_is_that_of_its_header() -> None:
    assert convert.date_of(dated("Sat, 21 Nov 2026 07:30:00 GMT")) == datetime(
        2026, 11, 21, 7, 30, tzinfo=UTC
    )
    assert convert.date_of({}) is None


@many
@given(texts("Sat, 21 Nov 2026 07:30:00 GMT", "Sat, 99 Nov 99999 99:99:99 +9999"))
def test_a_header_that_is_no_time_is_no_time(text: str) -> None:
    found = convert.date_of(dated(text))
    assert found is None or found.tzinfo is UTC
