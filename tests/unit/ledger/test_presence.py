"""Who works on a run: registration, heartbeat, and what a driver may still do once it has lost its entry."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kiln.errors import FencedError, LockedError, StepCancelledError
from kiln.ledger.drivers import Work
from kiln.ledger.presence import Presence
from kiln.ledger.schema import DEAD_SECONDS, HEARTBEAT_SECONDS, Attempt
from kiln.stop import Stop

if TYPE_CHECKING:
    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context
    from kiln.ledger.schema import Driver, Run
    from kiln.ledger.store import Ledger

WHOLE = Work(["launch", "sd", "cdd", "terminate"], whole=True)


def entered(context: Context, ledger: Ledger, *phases: str, work: Work | None = None) -> Presence:
    one = Presence(replace(context, stop=Stop()), ledger, work or Work(phases))
    one.register()
    return one


def run_of(ledger: Ledger) -> Run:
    run = ledger.read()
    assert run is not None
    return run


def drivers_of(ledger: Ledger) -> list[Driver]:
    return run_of(ledger).drivers


def attempt(run: Run) -> None:
    run.attempts.append(Attempt(intent_at="2026-11-21T07:30:00Z"))


def test_two_commands_with_different_phases_work_on_one_run(context: Context, ledger: Ledger) -> None:
    sd, cdd = entered(context, ledger, "sd"), entered(context, ledger, "cdd")
    assert [one.id for one in drivers_of(ledger)] == [sd.id, cdd.id]
    sd.leave()
    assert [one.phases for one in drivers_of(ledger)] == [["cdd"]]


@pytest.mark.parametrize(
    ("first", "second"),
    [(Work(["sd", "cdd"]), Work(["cdd"])), (WHOLE, Work(["x"])), (Work(["x"]), WHOLE), (WHOLE, WHOLE)],
)
def test_a_second_command_at_the_same_work_is_refused(
    context: Context, ledger: Ledger, first: Work, second: Work
) -> None:
    one = entered(context, ledger, work=first)
    with pytest.raises(LockedError, match=r"run r1 of .* pid \d+, last heartbeat 0 s ago") as error:
        entered(context, ledger, work=second)
    assert error.value.run_id == "r1"
    assert [driver.id for driver in drivers_of(ledger)] == [one.id]


def test_a_driver_that_waits_keeps_its_heartbeat(
    context: Context, ledger: Ledger, clock: VirtualClock
) -> None:
    one = entered(context, ledger, "sd")
    one.on(context).clock.wait(1000, threading.Event())
    assert clock.seconds == pytest.approx(1000, abs=1)
    with pytest.raises(LockedError):
        entered(context, ledger, "sd")


def test_a_driver_that_only_asks_keeps_its_heartbeat(
    context: Context, ledger: Ledger, clock: VirtualClock
) -> None:
    """It waits for messages of a queue, say, and never on the clock."""
    own = entered(context, ledger, "sd").on(context)
    for _ in range(30):
        own.effects.receive_messages("https://queue", 20)
    assert clock.seconds >= 600
    with pytest.raises(LockedError):
        entered(context, ledger, "sd")


def test_a_driver_without_a_heartbeat_is_dead_and_replaced(
    context: Context, ledger: Ledger, clock: VirtualClock
) -> None:
    entered(context, ledger, "sd")
    clock.seconds += DEAD_SECONDS
    with pytest.raises(LockedError):
        entered(context, ledger, "sd")
    clock.seconds += 1
    second = entered(context, ledger, "sd")
    assert [one.id for one in drivers_of(ledger)] == [second.id]
    assert run_of(ledger).events[-1].kind == "dead_driver_removed"


def test_a_driver_that_was_replaced_stops_and_changes_nothing_more(
    context: Context, ledger: Ledger, clock: VirtualClock, aws: FakeAws
) -> None:
    first = entered(context, ledger, "sd")
    own = first.on(replace(context, stop=first._context.stop))
    clock.seconds += DEAD_SECONDS + 1
    entered(context, ledger, "sd")
    with pytest.raises(FencedError):
        first.ledger.intend(attempt)
    own.clock.wait(1, threading.Event())
    with pytest.raises(FencedError):
        own.stop.check()
    calls = len(aws.calls)
    with pytest.raises(FencedError):
        own.unstoppable().effects.terminate_cluster("j-0001")
    assert len(aws.calls) == calls
    first.leave()
    assert run_of(ledger).attempts == []
    assert len(drivers_of(ledger)) == 1


def test_a_change_after_a_long_stop_asks_for_the_entry_first(
    context: Context, ledger: Ledger, clock: VirtualClock, aws: FakeAws
) -> None:
    """A process that was stopped does not know it: nothing but the ledger says so."""
    first = entered(context, ledger, "sd")
    clock.seconds += DEAD_SECONDS + 1
    entered(context, ledger, "sd")
    with pytest.raises(FencedError):
        first.on(context).effects.terminate_cluster("j-0001")
    assert "TerminateJobFlows" not in aws.calls


def test_a_cluster_can_be_ended_while_s3_does_not_answer(
    context: Context, ledger: Ledger, clock: VirtualClock, aws: FakeAws
) -> None:
    one = entered(context, ledger, "sd")
    clock.seconds += 60
    aws.before_call = lambda at: aws.faults.update(
        {at: "throttled"} if aws.calls[-1] in {"GetObject", "PutObject"} else {}
    )
    with pytest.raises(Exception, match="j-0001"):
        one.on(context).effects.terminate_cluster("j-0001")
    assert aws.calls[-1] == "TerminateJobFlows"


def test_a_failing_heartbeat_is_reported_once_and_tried_again(
    context: Context, ledger: Ledger, aws: FakeAws, reported: list[str]
) -> None:
    one = entered(context, ledger, "sd")
    aws.every_call = "lost_before"
    one.on(context).clock.wait(400, threading.Event())
    assert len([line for line in reported if "heartbeat" in line]) == 1
    aws.every_call = None
    one.on(context).clock.wait(HEARTBEAT_SECONDS, threading.Event())
    with pytest.raises(LockedError):
        entered(context, ledger, "sd")


def test_a_request_to_cancel_reaches_a_waiting_driver(context: Context, ledger: Ledger) -> None:
    one = entered(context, ledger, "sd")
    own = one.on(replace(context, stop=one._context.stop))
    ledger.update(lambda run: setattr(run, "cancel_requested_at", "2026-11-21T07:31:00Z"))
    own.clock.wait(100, own.stop.event)
    with pytest.raises(StepCancelledError, match="2026-11-21T07:31:00Z"):
        own.stop.check()
    with pytest.raises(StepCancelledError):
        one.ledger.intend(attempt)


def test_a_cancelled_run_begins_nothing_until_somebody_begins_it_anew(
    context: Context, ledger: Ledger
) -> None:
    ledger.update(lambda run: setattr(run, "cancel_requested_at", "2026-11-21T07:31:00Z"))
    with pytest.raises(StepCancelledError):
        entered(context, ledger, "sd")
    entered(context, ledger, work=Work(["launch"], begins_anew=True))
    assert run_of(ledger).cancel_requested_at is None
    entered(context, ledger, "sd")


def test_a_removed_ledger_takes_nothing_from_the_driver(
    context: Context, ledger: Ledger, aws: FakeAws
) -> None:
    one = entered(context, ledger, "sd")
    aws.objects.clear()
    one.on(context).clock.wait(100, threading.Event())
    assert (one.lost, [driver.id for driver in drivers_of(ledger)]) == (None, [one.id])


def test_heartbeats_are_judged_by_the_time_of_s3(
    context: Context, ledger: Ledger, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines whose clocks differ by ten minutes."""
    aws = context.aws
    read = aws.get_object
    slow = timedelta(minutes=10)

    def dated(uri: str, **more: object) -> object:
        stored = read(uri, **more)  # type: ignore[arg-type]  # as the caller gave it
        return stored and type(stored)(
            body=stored.body, etag=stored.etag, size=stored.size, read_at=clock.now() - slow
        )

    ledger.note("begun")
    monkeypatch.setattr(aws, "get_object", dated)
    one = entered(context, ledger, "sd")
    assert drivers_of(ledger)[0].heartbeat_at == "2026-11-21T07:20:00Z"
    with pytest.raises(LockedError, match="last heartbeat 0 s ago"):
        entered(context, ledger, "sd")
    assert one.lost is None
