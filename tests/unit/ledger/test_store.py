from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kiln.errors import UnansweredError
from kiln.ledger.schema import Event, LedgerUnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes import FakeAws

    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger


def add(kind: str) -> Callable[[Run], None]:
    def change(run: Run) -> None:
        run.events.append(Event(at="now", kind=kind))

    return change


def kinds(ledger: Ledger) -> list[str]:
    run = ledger.read()
    return [event.kind for event in run.events] if run else []


def test_a_ledger_lies_where_the_design_says(ledger: Ledger) -> None:
    assert ledger.uri == "s3://state/kiln/ledger/local/model_building/r1.json"


def test_two_writers_do_not_lose_each_others_lines(aws: FakeAws, ledger: Ledger) -> None:
    ledger.update(add("first"))
    raced: list[int] = []

    def another_writer(_: int) -> None:
        if aws.calls[-1] == "PutObject" and not raced:
            raced.append(1)
            ledger.update(add("theirs"))

    aws.before_call = another_writer
    ledger.update(add("ours"))
    assert kinds(ledger) == ["first", "theirs", "ours"]


def test_of_two_writers_with_the_same_line_in_the_same_second_one_is_refused(
    aws: FakeAws, ledger: Ledger
) -> None:
    raced: list[int] = []

    def another_writer(_: int) -> None:
        if aws.calls[-1] == "PutObject" and not raced:
            raced.append(1)
            ledger.update(add("same"))

    aws.before_call = another_writer
    ledger.update(add("same"))
    assert kinds(ledger) == ["same", "same"]


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "throttled"])
def test_a_write_without_an_answer_is_written_once(aws: FakeAws, ledger: Ledger, fault: str) -> None:
    ledger.update(add("first"))
    aws.faults[len(aws.calls) + 1] = fault
    ledger.update(add("second"))
    assert kinds(ledger) == ["first", "second"]


def test_a_foreign_ledger_is_an_error_to_read_and_nothing_when_it_is_only_wanted(
    aws: FakeAws, ledger: Ledger
) -> None:
    for body in (b"not json", b'{"version": 99}', b"{}"):
        aws.objects[ledger.uri] = body
        with pytest.raises(LedgerUnreadableError):
            ledger.read()
        assert ledger.read_if_possible() is None
        assert ledger.try_update(add("x")) is False
        assert aws.objects[ledger.uri] == body


VERSION_1 = b"""{"version": 1, "environment": "local", "pipeline": "model_building", "run_id": "r1",
 "owner": "ops", "created_at": "2026-11-21T07:30:00Z", "updated_at": "2026-11-21T07:40:00Z",
 "data_date": "2026-11-20", "verdict": "failed", "exit_code": 14,
 "failed_phase": "sd", "concluded": 2, "message": "step sd failed",
 "attempts": [{"intent_at": "2026-11-21T07:30:01Z", "cluster_id": "j-0001",
   "launched_at": "2026-11-21T07:30:02Z",
   "ended_at": null, "end_state": null}],
 "steps": [{"name": "sd", "cluster_id": "j-0001", "intent_at": "2026-11-21T07:35:00Z", "step_id": "s-000101",
   "state": "FAILED", "seconds": 20.0}],
 "phases": [], "outputs": [], "events": []}"""


def test_a_ledger_of_version_1_is_read_and_goes_on_as_one_of_version_2(aws: FakeAws, ledger: Ledger) -> None:
    aws.objects[ledger.uri] = VERSION_1
    run = ledger.read()
    assert run is not None
    assert (run.verdict, run.steps[0].state, run.drivers, run.steps[0].identity) == (
        "failed",
        "FAILED",
        [],
        None,
    )
    ledger.update(add("more"))
    assert b'"version": 2' in aws.objects[ledger.uri]
    assert kinds(ledger) == ["more"]


def test_a_ledger_that_is_never_written_is_an_error(aws: FakeAws, ledger: Ledger) -> None:
    aws.before_call = lambda at: aws.faults.update(
        {at: "lost_before"} if aws.calls[-1] == "PutObject" else {}
    )
    with pytest.raises(UnansweredError):
        ledger.update(add("x"))
