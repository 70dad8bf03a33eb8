"""Procedures, what they wait for, and who gives an engine its turns."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emrbox.emr.api.launch_request import new_cluster
from emrbox.emr.hollow.nodes import HollowNodes
from emrbox.emr.hollow.scripts import Scripts
from emrbox.emr.life import drivers, endings
from emrbox.emr.life.clock import MovableClock, SystemClock
from emrbox.emr.life.drivers import ClockDriver, ThreadDriver, ThreadJobs
from emrbox.emr.life.engine import Engine
from emrbox.emr.life.procedures import Completion, Job, Procedure, Procedures, Until
from emrbox.emr.life.wrapped_layer import WrappedLayer

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TIMEOUT_SECONDS = 60  # for what hangs


def cluster(run_request: Any, now: datetime = NOW, **changes: Any) -> Any:
    return new_cluster(run_request(**changes), "role", now)


def test_a_procedure_goes_on_when_its_wait_is_over_and_not_before() -> None:
    done: list[str] = []
    answer = Completion[str]()
    flag = threading.Event()

    def procedure() -> Procedure[None]:
        yield Until(NOW + timedelta(seconds=60))
        done.append("a minute later")
        yield Until(None, flag.is_set)
        done.append("the condition holds")
        yield answer
        done.append(answer.value())

    procedures = Procedures()
    procedures.begin(procedure())
    assert not procedures.advance(NOW + timedelta(seconds=59))
    assert procedures.moments() == [NOW + timedelta(seconds=60)]
    assert procedures.advance(NOW + timedelta(seconds=60))
    assert done == ["a minute later"]
    assert not procedures.advance(NOW + timedelta(days=60))
    flag.set()
    answer.succeed("first")
    answer.succeed("second")  # the first report counts
    answer.fail(OSError("third"))
    while procedures.advance(NOW):
        pass
    assert done == ["a minute later", "the condition holds", "first"]
    assert procedures.moments() == []


def test_a_job_that_fails_raises_in_the_procedure_that_waits_for_it() -> None:
    def fail() -> None:
        raise OSError("no route to host")

    job = Job("boot", fail)
    with pytest.raises(RuntimeError, match="not reported"):
        job.value()
    job.run()
    assert job.is_over(NOW)
    with pytest.raises(OSError, match="no route"):
        job.value()


class Counted(Engine):
    turns = 0

    def turn(self, now: datetime) -> datetime | None:
        self.turns += 1
        return super().turn(now)


def test_many_requests_for_a_turn_are_one_and_an_ended_cluster_takes_none(emr: Any) -> None:
    clock = MovableClock(NOW)
    clock.freeze()
    record = cluster(emr.run_request)
    engine = Counted(record, HollowNodes(record, clock, Scripts()))
    driver = ClockDriver(record, engine, clock)
    driver.start()
    for _ in range(5):
        driver.wake()
    clock.advance(3600)
    assert (engine.turns, record.status.state) == (1, "WAITING")
    record.end(endings.by_user(), clock.now())
    driver.wake()
    clock.advance(0)
    assert (engine.turns, record.status.state) == (2, "TERMINATED")
    driver.wake()
    clock.advance(3600)
    assert (engine.turns, clock.pending) == (2, 0)


def test_a_moment_that_is_replaced_gives_no_turn(emr: Any) -> None:
    clock = MovableClock(NOW)
    clock.freeze()
    record = cluster(emr.run_request, AutoTerminationPolicy={"IdleTimeout": 600})
    engine = Counted(record, HollowNodes(record, clock, Scripts()))
    driver = ClockDriver(record, engine, clock)
    driver.start()
    clock.advance(60)
    record.idle_timeout_seconds = 3000
    driver.wake()
    clock.advance(0)
    turns = engine.turns
    clock.advance(2939)
    assert (engine.turns, record.status.state) == (turns, "WAITING")
    clock.advance(1)
    assert record.status.state == "TERMINATED"


class Waiting(WrappedLayer):
    """Machines that boot only when the test lets them."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.boots, self.may_boot = threading.Event(), threading.Event()

    def boot(self, check: Any) -> None:
        self.boots.set()
        assert self.may_boot.wait(TIMEOUT_SECONDS)
        super().boot(check)


@pytest.mark.parametrize("ends_while_it_boots", [False, True])
def test_a_thread_drives_a_cluster_in_real_time_and_ends_with_it(
    emr: Any, *, ends_while_it_boots: bool
) -> None:
    clock = SystemClock()
    record = cluster(emr.run_request, clock.now(), Steps=[emr.step_request()])
    is_waiting = threading.Event()
    record.watcher = lambda *_: is_waiting.set() if record.status.state == "WAITING" else None
    layer = Waiting(HollowNodes(record, MovableClock(), Scripts()))
    driver = ThreadDriver(record, Engine(record, layer, ThreadJobs(record)), clock)
    record.wake = driver.wake
    driver.start()
    assert layer.boots.wait(TIMEOUT_SECONDS)
    with record.lock:  # a job runs without it
        assert record.status.state == "STARTING"
    if not ends_while_it_boots:
        layer.may_boot.set()
        assert is_waiting.wait(TIMEOUT_SECONDS)
        assert [step.status.state for step in record.steps] == ["COMPLETED"]
    with record.lock:
        record.end(endings.by_user(), clock.now())
    record.wake()
    layer.may_boot.set()
    driver.wait_over(TIMEOUT_SECONDS)
    assert record.status.state == "TERMINATED"
    assert (record.master_dns is None) == ends_while_it_boots


def test_a_turn_that_fails_does_not_end_the_thread(emr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    record = cluster(emr.run_request, clock.now())
    engine = Engine(record, HollowNodes(record, MovableClock(), Scripts()), ThreadJobs(record))
    driver = ThreadDriver(record, engine, clock)
    record.wake = driver.wake
    problems, turn = [RuntimeError("can't start new thread")], engine.turn

    def failing_once(now: datetime) -> datetime | None:
        if problems:
            raise problems.pop()
        return turn(now)

    monkeypatch.setattr(engine, "turn", failing_once)
    monkeypatch.setattr(drivers, "PAUSE_SECONDS", 0.01)
    record.end(endings.by_user(), clock.now())
    driver.start()
    driver.wait_over(TIMEOUT_SECONDS)
    assert record.status.state == "TERMINATED"


def test_a_watcher_that_fails_does_not_keep_the_cluster_from_its_end(emr: Any) -> None:
    cluster_id = emr.launch()
    record = emr.store.cluster(cluster_id)

    def fail(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    record.watcher = fail
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    assert emr.machines[cluster_id].is_shut_down


def test_a_snapshot_does_not_change_with_its_cluster(emr: Any) -> None:
    record = cluster(emr.run_request, Steps=[emr.step_request()])
    record.watcher = lambda *_: pytest.fail("a snapshot has no watcher")
    before = record.snapshot()
    record.watcher = None
    record.end(endings.by_user(), NOW)
    record.steps.clear()
    assert (before.status.state, len(before.steps)) == ("STARTING", 1)
    before.end(endings.by_user(), NOW)


def test_an_error_of_the_engine_ends_the_cluster_and_its_machines(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")

    def fail() -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(emr.store.engine(emr.store.cluster(cluster_id)).stepping, "start_due", fail)
    emr.add(cluster_id, emr.step_request())
    reason = emr.until(cluster_id, "TERMINATED_WITH_ERRORS")["Status"]["StateChangeReason"]
    assert reason == {"Code": "INTERNAL_ERROR", "Message": "RuntimeError: a mistake"}
    assert emr.machines[cluster_id].is_shut_down


def test_a_failing_check_of_idleness_counts_as_active(emr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster_id = emr.launch(AutoTerminationPolicy={"IdleTimeout": 60})
    emr.until(cluster_id, "WAITING")

    def fail() -> bool:
        raise OSError("YARN does not answer")

    monkeypatch.setattr(emr.machines[cluster_id], "busy", fail)
    emr.clock.advance(600)
    assert emr.cluster(cluster_id)["Status"]["State"] == "WAITING"
    monkeypatch.undo()
    emr.clock.advance(66)
    assert emr.cluster(cluster_id)["Status"]["State"] == "TERMINATED"
