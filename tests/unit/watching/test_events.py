"""Events wake the wait that they are about; nothing else in the queue changes anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st
from watch_host import QUEUE

from kiln.aws.effects import Message
from kiln.errors import AwsError
from kiln.watching.events import clusters_of

if TYPE_CHECKING:
    from watch_host import Host


def woken(host: Host, waiters: list[Any], seconds: float = 3) -> list[bool]:
    before = [len(one.woken) for one in waiters]
    host.pass_time(waiters, seconds)
    return [len(one.woken) > count for one, count in zip(waiters, before, strict=True)]


def test_an_event_wakes_the_wait_for_its_cluster_within_a_second(host: Host) -> None:
    waiters = host.waits(10, QUEUE)
    host.pass_time(waiters, 30)
    host.event(waiters[7].watched)
    assert woken(host, waiters, 1) == [at == 7 for at in range(10)]
    assert host.aws.queues[QUEUE] == []


def test_events_wake_few_waits_too(host: Host) -> None:
    waiters = host.waits(2, QUEUE)
    host.pass_time(waiters, 30)
    host.event(waiters[1].watched)
    assert woken(host, waiters, 1) == [False, True]


def test_the_event_of_a_wait_that_has_just_begun_is_not_dropped(host: Host) -> None:
    waiters = host.waits(5, QUEUE)
    host.pass_time(waiters, 30)
    waiters += host.waits(1, QUEUE)
    host.event(waiters[-1].watched)
    assert woken(host, waiters, 1)[-1]


def test_without_any_event_the_end_of_a_step_is_seen_within_an_interval(host: Host) -> None:
    waiters = host.waits(10, QUEUE)
    host.pass_time(waiters, 60)
    host.end_step(waiters[0].watched)
    assert woken(host, waiters, 15 * 1.1 + 1)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "my.app"},
        {"detail-type": "EMR Auto Scaling Policy State Change"},
        {"detail": {"clusterId": "j-OTHER"}},
        {"detail": {"clusterId": ["j-0001"]}},
        {"detail": "j-0001"},
    ],
)
def test_what_is_no_event_about_our_clusters_wakes_nobody_and_is_removed(
    host: Host, changes: dict[str, Any]
) -> None:
    waiters = host.waits(5, QUEUE)
    host.pass_time(waiters, 30)
    host.event(waiters[0].watched, **changes)
    assert not any(woken(host, waiters))
    assert host.aws.queues[QUEUE] == []


def test_an_event_that_comes_twice_costs_no_more_than_another_poll(host: Host) -> None:
    waiters = host.waits(5, QUEUE)
    host.pass_time(waiters, 30)
    for _ in range(2):
        host.event(waiters[0].watched)
    before = len(waiters[0].woken)
    host.pass_time(waiters, 5)
    assert len(waiters[0].woken) - before <= 2


def test_a_refused_queue_is_reported_once_and_emr_is_polled(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> Any:
        raise AwsError("not authorized", code="AccessDenied", operation="ReceiveMessage")

    monkeypatch.setattr(host.aws, "receive_messages", refused)
    waiters = host.waits(5, QUEUE)
    host.pass_time(waiters, 60)
    host.end_step(waiters[2].watched)
    assert woken(host, waiters, 20)[2]
    assert host.reported == [f"no events from {QUEUE}: not authorized; EMR is polled without them"]


@many
@given(body=st.one_of(documents().map(json.dumps), texts("j-0001", "aws.emr")))
def test_no_body_of_a_message_does_more_than_name_a_cluster_of_ours(body: str) -> None:
    assert clusters_of([Message(body=body, receipt="r")], {"j-0001"}) <= {"j-0001"}


@many
@given(inner=documents())
def test_no_detail_of_an_event_does_more_than_name_a_cluster_of_ours(inner: Any) -> None:
    event = {"source": "aws.emr", "detail-type": "EMR Step Status Change", "detail": inner}
    held = {"source": "aws.emr", "detail-type": inner, "detail": {"clusterId": inner}}
    messages = [Message(body=json.dumps(one), receipt="r") for one in (event, held)]
    assert clusters_of(messages, {"j-0001"}) <= {"j-0001"}


def test_a_process_that_knows_no_queue_gives_way_to_one_that_reads_it(host: Host) -> None:
    waiters = [*host.waits(5), *host.waits(1, QUEUE)]
    host.pass_time(waiters, 30)
    host.event(waiters[0].watched)
    assert woken(host, waiters, 3)[0]
    assert waiters[-1].watch._poller._handle is not None


def test_without_the_process_that_reads_the_queue_another_one_polls(host: Host) -> None:
    waiters = [*host.waits(5), *host.waits(1, QUEUE)]
    host.pass_time(waiters, 30)
    waiters[-1].watch.leave()
    host.aws.calls.clear()
    host.pass_time(waiters[:-1], 60)
    assert 2 <= host.calls("ListClusters") <= 5
    assert waiters[1].watch.is_polled(waiters[1].context)
