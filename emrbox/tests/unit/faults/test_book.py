"""What is on, what it covers, how often it acts."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws.call_hook import CallFacts
from emrbox.faults import full_disk
from emrbox.faults.book import FaultBook
from emrbox.faults.buckets import PUBLISHED, Buckets
from emrbox.faults.calls import CallFaults
from emrbox.faults.events import EventFaults
from emrbox.faults.kinds import nodes as node_kinds
from emrbox.faults.kinds.calls import THROTTLED
from emrbox.faults.kinds.kind import CallKind, ClusterKind, EventKind, Kind, NodeKind, Where
from emrbox.faults.kinds.table import KINDS


def call(operation: str = "ListClusters", *clusters: str, service: str = "elasticmapreduce") -> CallFacts:
    return CallFacts(service, operation, "arn:aws:iam::1:user/airflow", clusters)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "kind"),
        ({"kind": "earthquake"}, "kind"),
        ({"kind": "reset", "sope": "x"}, "unknown"),
        ({"kind": "reset", "count": 0}, "count"),
        ({"kind": "reset", "probability": 2}, "probability"),
        ({"kind": "reset", "seed": "x"}, "seed"),
        ({"kind": "reset", "operation": 1}, "operation"),
        ({"kind": "slow", "parameters": {"second": 1}}, "seconds"),
        ({"kind": "slow", "parameters": {"seconds": "x"}}, "number"),
        ({"kind": "slow", "parameters": {"seconds": -1}}, "below 0"),
        ({"kind": "slow", "parameters": {"seconds": 1e300}}, "above"),
        ({"kind": "error", "parameters": {"status": 1.5}}, "whole number"),
    ],
)
def test_an_invalid_fault_is_refused_with_the_reason(document: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        FaultBook().add(document)


def test_every_kind_can_be_added_as_it_is_and_removed() -> None:
    book = FaultBook()
    for name in KINDS:
        book.add({"kind": name})
    assert [fault.kind.name for fault in book.all()] == list(KINDS)
    book.clear()
    assert book.all() == []
    with pytest.raises(ValueError, match="there is no fault"):
        book.remove("f-1")


def test_every_kind_of_a_hook_names_the_function_that_does_it() -> None:
    types = {
        Where.CALL: CallKind,
        Where.EVENT: EventKind,
        Where.CLUSTER: ClusterKind,
        Where.NODE: NodeKind,
    }
    others = [kind.name for kind in KINDS.values() if not isinstance(kind, types.get(kind.where, Kind))]
    assert others == ["lag"]  # LaggingReads acts on operations, not on calls


def test_a_disk_that_cannot_be_filled_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    undone: list[Any] = []

    def fill(_node: Any, _paths: Any, mounted: Any) -> None:
        mounted.append("layer")
        raise OSError("no")

    monkeypatch.setattr(full_disk, "fill", fill)
    monkeypatch.setattr(full_disk, "empty", lambda _node, mounted: undone.extend(mounted))
    fault = FaultBook().add({"kind": "disk-full"})
    with pytest.raises(OSError, match="no"):
        node_kinds.fill_disk(fault, "node")  # type: ignore[arg-type]  # nothing is done with it
    assert undone == ["layer"]


def test_a_fault_acts_only_in_its_scope_and_as_often_as_its_count() -> None:
    book = FaultBook()
    faults = CallFaults(book)
    document = {"kind": "error", "operation": "Describe*", "cluster": "daily-*", "count": 2}
    book.add({**document, "principal": "*:user/airflow"})
    assert faults.effect_on(call("ListClusters", "daily-1")).refusal is None
    assert faults.effect_on(call("DescribeCluster", "j-1", "weekly")).refusal is None
    assert faults.effect_on(call("DescribeCluster", "daily-1", service="s3")).refusal is None
    refused = [bool(faults.effect_on(call("DescribeCluster", "j-1", "daily-1")).refusal) for _ in range(4)]
    assert refused == [True, True, False, False]
    assert book.all()[0].document()["fired"] == 2


def test_the_same_seed_acts_on_the_same_calls() -> None:
    def run(seed: int) -> list[bool]:
        book = FaultBook()
        faults = CallFaults(book)
        book.add({"kind": "reset", "probability": 0.3, "seed": seed})
        return [faults.effect_on(call()).reset for _ in range(200)]

    assert run(1) == run(1) != run(2)
    assert 30 <= sum(run(1)) <= 90


def test_the_buckets_are_those_that_aws_publishes() -> None:
    now = 0.0
    buckets = Buckets(burst=200, refill=50, scale=1, now=lambda: now)
    assert [buckets.take("DescribeStep") for _ in range(11)] == [True] * 10 + [False]
    now = 2.0  # half a token a second
    assert [buckets.take("DescribeStep") for _ in range(2)] == [True, False]
    assert [buckets.take("DescribeCluster") for _ in range(11)] == [True] * 10 + [False]
    assert PUBLISHED["RunJobFlow"] == (10, 0.5)


def test_all_calls_together_have_a_bucket_too() -> None:
    buckets = Buckets(burst=25, refill=5, scale=1, now=lambda: 0.0)
    taken = [
        buckets.take(name) for name in ("ListClusters", "DescribeCluster", "ListSteps") for _ in range(10)
    ]
    assert sum(taken) == 25


def test_throttling_is_emrs_and_ends_with_the_fault() -> None:
    book = FaultBook()
    faults = CallFaults(book)
    fault = book.add({"kind": "throttle"})
    refusals = [faults.effect_on(call("ListClusters")).refusal for _ in range(25)]
    assert refusals[:20] == [None] * 20
    assert refusals[22] == THROTTLED
    assert faults.effect_on(call("ListBuckets", service="s3")).refusal is None
    book.remove(fault.id)
    assert faults.effect_on(call("ListClusters")).refusal is None


def test_events_are_lost_doubled_and_overtaken() -> None:
    book = FaultBook()
    events = EventFaults(book)
    step = {"detail-type": "EMR Step Status Change", "detail": {"clusterId": "j-1"}}
    other = {"detail-type": "EMR Cluster State Change", "detail": {"clusterId": "j-2"}}
    assert events.delays_of(step) == (0.0,)
    book.add({"kind": "event-lost", "operation": "*Step*", "count": 1})
    book.add({"kind": "event-doubled", "cluster": "j-1", "count": 1, "parameters": {"seconds": 2}})
    book.add({"kind": "event-late", "cluster": "j-2", "parameters": {"seconds": 9}})
    assert [events.delays_of(e) for e in (step, step, step, other)] == [(), (0.0, 2.0), (0.0,), (9.0,)]
