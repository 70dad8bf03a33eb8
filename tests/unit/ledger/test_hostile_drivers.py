"""Whatever stands in the entries of drivers: it is read or refused, and no process is touched by it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from fakes import FakeAws, VirtualClock
from hostile import documents, many
from hypothesis import given
from hypothesis import strategies as st

from kiln import this_process
from kiln.aws.context import Context
from kiln.commands import working
from kiln.identity import Identity
from kiln.ledger import drivers
from kiln.ledger.schema import Driver, LedgerUnreadableError
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    import pytest

IDENTITY = Identity(environment="local", pipeline="model_building", run_id="r1")
GOOD: dict[str, Any] = {
    "id": "1",
    "host": "h",
    "pid": 1,
    "phases": ["sd"],
    "whole": False,
    "started_at": "2026-11-21T07:30:00Z",
    "heartbeat_at": "2026-11-21T07:30:00Z",
    "machine": this_process.machine(),
    "process_started": "1",
}


def body_with(driver: object) -> bytes:
    run = {
        "environment": "local",
        "pipeline": "model_building",
        "run_id": "r1",
        "created_at": "",
        "drivers": [driver],
    }
    return json.dumps(run).encode()


@many
@given(st.sampled_from(sorted(GOOD)), documents())
def test_an_entry_of_any_form_is_shown_or_refused(key: str, value: object) -> None:
    clock = VirtualClock()
    aws = FakeAws(clock)
    context = Context(aws=aws, clock=clock)
    ledger = Ledger(context.effects, clock, "s3://state/kiln", IDENTITY)
    aws.objects[ledger.uri] = body_with(GOOD | {key: value})
    try:
        run = ledger.read()
    except LedgerUnreadableError:
        return
    assert run is not None
    (shown,) = working.listed(run, clock.now())
    assert isinstance(shown["dead"], bool)
    assert drivers.conflict(run.drivers[0], run.drivers[0]) in {True, False}


@many
@given(st.integers(-(2**63), 2**64 - 1))
def test_no_number_of_a_process_signals_a_group_or_all(pid: int) -> None:
    entry = Driver(**GOOD | {"pid": pid})
    assert drivers.is_dead(entry, VirtualClock().now()) in {True, False}


def test_only_whether_a_process_is_there_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: asked.append((pid, number)))
    for pid in (-1, 0, 1, 2**40):
        this_process.has_ended(this_process.machine(), pid, "1")
    assert asked == [(1, 0), (2**40, 0)]
