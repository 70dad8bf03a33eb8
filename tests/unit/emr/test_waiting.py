from __future__ import annotations

import random
import signal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from kiln.emr import waiting
from kiln.errors import DeadlineError, InterruptedRunError, ThrottledError, UnansweredError
from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes import FakeAws, VirtualClock

    from kiln.aws.context import Context


def until(context: Context, poll: Callable[[Context], object], **changes: float) -> object:
    timing: dict[str, Any] = {"timeout_seconds": 600.0, "interval_seconds": 10.0} | changes
    return waiting.until(context, poll, lambda seen: seen == "done", what="the test", **timing)


def until_done(context: Context, clock: VirtualClock, seconds: float, **changes: float) -> object:
    """Wait with a poll that calls AWS, until the clock says so."""

    def poll(bounded: Context) -> str:
        bounded.effects.list_clusters(())
        return "done" if clock.seconds >= seconds else "same"

    return until(context, poll, **changes)


def test_the_pause_grows_while_nothing_changes_and_is_short_again_after_a_change(
    context: Context, clock: VirtualClock
) -> None:
    polls: list[float] = []

    def poll(_: Context) -> str:
        polls.append(clock.seconds)
        return "done" if clock.seconds > 200 else "changed" if clock.seconds > 100 else "same"

    until(context, poll)
    pauses = [after - before for before, after in pairwise(polls)]
    assert max(pauses) > 15
    assert min(pauses[5:]) < 13


def fail_between(aws: FakeAws, clock: VirtualClock, kind: str, *times: tuple[float, float]) -> None:
    """Let calls fail while the clock is in one of the given intervals."""

    def before(at: int) -> None:
        if any(start <= clock.seconds < end for start, end in times):
            aws.faults[at] = kind

    aws.before_call = before


def test_throttling_alone_never_fails_a_wait(context: Context, aws: FakeAws, clock: VirtualClock) -> None:
    fail_between(aws, clock, "throttled", (0, 500))
    assert until_done(context, clock, 100) == "done"
    assert clock.seconds >= 500


def test_throttling_to_the_deadline_is_reported_as_such(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    fail_between(aws, clock, "throttled", (0, 1e9))
    with pytest.raises(ThrottledError):
        until_done(context, clock, 0, timeout_seconds=400)
    assert 400 <= clock.seconds < 402


def test_throttling_that_begins_shortly_before_the_deadline_leaves_it_the_cause(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    fail_between(aws, clock, "throttled", (380, 1e9))
    with pytest.raises(DeadlineError, match="the test took longer than 400 s"):
        until_done(context, clock, 1000, timeout_seconds=400)
    assert 400 <= clock.seconds < 402


def test_no_answer_at_all_ends_a_wait_before_its_deadline(
    context: Context, aws: FakeAws, clock: VirtualClock
) -> None:
    fail_between(aws, clock, "lost_before", (0, 1e9))
    with pytest.raises(UnansweredError):
        until_done(context, clock, 0, timeout_seconds=10_000.0)
    assert 180 <= clock.seconds < 185


def test_a_deadline_is_kept_to_the_second(context: Context, clock: VirtualClock) -> None:
    with pytest.raises(DeadlineError, match="the test took longer than 600 s"):
        until(context, lambda _: "same")
    assert 600 <= clock.seconds < 602


def test_a_wait_ends_with_the_deadline_of_its_context(context: Context, clock: VirtualClock) -> None:
    with pytest.raises(DeadlineError, match="the test took longer than 50 s"):
        until(context.within(50), lambda _: "same")
    assert 50 <= clock.seconds < 52


def test_a_signal_ends_a_wait(context: Context) -> None:
    def poll(_: Context) -> str:
        context.stop.request(signal.SIGTERM)
        return "same"

    with pytest.raises(InterruptedRunError) as error:
        until(context, poll)
    assert error.value.exit_code == ExitCode.TERMINATED


def test_many_drivers_do_not_poll_at_the_same_moments(context: Context) -> None:
    pauses = {waiting.Interval(context, 10.0).next(changed=False) for _ in range(20)}
    assert len(pauses) == 20
    assert random.Random is type(context.random)


def test_a_disturbance_is_reported_once_and_again_after_an_answer(
    context: Context, aws: FakeAws, clock: VirtualClock, reported: list[str]
) -> None:
    fail_between(aws, clock, "lost_before", (50, 100), (200, 250))
    until_done(context, clock, 300)
    assert reported == ["no answer; asking again"] * 2
