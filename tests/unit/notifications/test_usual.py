"""What is usual: the median over other runs in which the same phases worked and ended well."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fakes import START
from hostile import documents, many
from hypothesis import given
from notification_world import IDENTITY, STATE, Office

from kiln.ledger.schema import Phase, Run, encode
from kiln.notifications.usual import Usual, seconds_of, usual

if TYPE_CHECKING:
    from collections.abc import Sequence


def phase(name: str, begin: float, seconds: float, **changes: Any) -> Phase:
    ended_at = (START + timedelta(seconds=begin + seconds)).isoformat()
    values: dict[str, Any] = {"status": "ok", "changed": True, "ended_at": ended_at} | changes
    return Phase(name=name, seconds=seconds, **values)


def remember(office: Office, run_id: str, phases: Sequence[Phase]) -> None:
    run = Run(
        environment="local", pipeline="model_building", run_id=run_id, created_at="", phases=list(phases)
    )
    office.aws.objects[f"{STATE}/ledger/local/model_building/{run_id}.json"] = encode(run)


def test_phases_side_by_side_count_from_the_first_begin_to_the_last_end() -> None:
    entries = [phase("sd", 0, 100), phase("cdd", 20, 100)]
    assert seconds_of(entries, ["sd", "cdd"]) == 120.0
    assert seconds_of(entries, ["sd"]) == 100.0


def test_a_phase_that_failed_or_found_its_work_done_does_not_count() -> None:
    for changes in ({"status": "failed"}, {"changed": False}, {"ended_at": ""}, {"ended_at": "x"}):
        assert seconds_of([phase("sd", 0, 100, **changes)], ["sd"]) == 0.0
    assert seconds_of([phase("sd", 0, 100)], ["sd", "cdd"]) == 0.0
    assert seconds_of([phase("sd", 0, 100)], []) == 0.0


def test_the_median_is_that_of_other_runs() -> None:
    office = Office()
    for number, seconds in enumerate((10, 20, 600)):
        remember(office, f"old{number}", [phase("sd", 0, seconds)])
    remember(office, IDENTITY.run_id, [phase("sd", 0, 9999)])
    remember(office, "other", [phase("cdd", 0, 1)])
    assert usual(office.context, STATE, IDENTITY, ["sd"]) == Usual(20.0, 3)
    assert usual(office.context, STATE, IDENTITY, ["launch"]) == Usual()


def test_an_aws_that_does_not_answer_makes_nothing_usual() -> None:
    office = Office()
    remember(office, "old", [phase("sd", 0, 10)])
    office.aws.every_call = "throttled"
    assert usual(office.context, STATE, IDENTITY, ["sd"]) == Usual()
    assert office.aws.clock.seconds <= 30


@many
@given(document=documents())
def test_ledgers_of_any_content_are_left_out(document: Any) -> None:
    office = Office()
    remember(office, "good", [phase("sd", 0, 10)])
    for number, value in enumerate((document, {"phases": document}, {"phases": [document]})):
        office.aws.objects[f"{STATE}/ledger/local/model_building/bad{number}.json"] = json.dumps(
            value
        ).encode()
    assert usual(office.context, STATE, IDENTITY, ["sd"]) == Usual(10.0, 1)
