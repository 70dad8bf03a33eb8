from __future__ import annotations

import random
import signal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from kiln.emr import waiting
from kiln.errors import DeadlineError, InterruptedRunError, ThrottledError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes import VirtualClock

    from kiln.aws.context import Context


def until(context: Context, look: Callable[[], object], **changes: float) -> object:
    timing: dict[str, Any] = {"timeout_seconds": 600.0, "interval_seconds": 10.0} | changes
    return waiting.until(context, look, lambda seen: seen == "done", what="the test", **timing)


def test_the_pause_grows_while_nothing_changes_and_is_short_again_after_a_change(
    context: Context, clock: VirtualClock
) -> None:
    looks: list[float] = []

    def look() -> str:
        looks.append(clock.seconds)
        return "done" if clock.seconds > 200 else "changed" if clock.seconds > 100 else "same"

    until(context, look)
    pauses = [after - before for before, after in pairwise(looks)]
    assert max(pauses) > 15
    assert min(pauses[5:]) < 13


def test_throttling_alone_never_fails_a_wait(context: Context, clock: VirtualClock) -> None:
    def look() -> str:
        if clock.seconds < 500:
            raise ThrottledError("Rate exceeded")
        return "done"

    assert until(context, look) == "done"


def test_throttling_to_the_deadline_is_said_as_such(context: Context) -> None:
    def look() -> str:
        raise ThrottledError("Rate exceeded")

    with pytest.raises(ThrottledError):
        until(context, look)


def test_no_answer_at_all_is_given_up_before_the_deadline(context: Context, clock: VirtualClock) -> None:
    def look() -> str:
        raise UnansweredError("nothing", code="NoAnswer", operation="DescribeCluster")

    with pytest.raises(UnansweredError):
        until(context, look, timeout_seconds=10_000.0)
    assert waiting.PATIENCE_SECONDS <= clock.seconds < 2 * waiting.PATIENCE_SECONDS


def test_a_deadline_is_kept_to_the_second(context: Context, clock: VirtualClock) -> None:
    with pytest.raises(DeadlineError, match="the test took longer than 600 s"):
        until(context, lambda: "same")
    assert 600 <= clock.seconds < 602


def test_a_signal_ends_a_wait(context: Context) -> None:
    def look() -> str:
        context.stop.request(signal.SIGTERM)
        return "same"

    with pytest.raises(InterruptedRunError) as error:
        until(context, look)
    assert error.value.exit_code == 143


def test_many_drivers_do_not_look_in_step(context: Context) -> None:
    pauses = {waiting.Interval(context, 10.0).next(changed=False) for _ in range(20)}
    assert len(pauses) == 20
    assert random.Random is type(context.random)


def test_silence_is_told_once_and_again_after_an_answer(
    context: Context, clock: VirtualClock, reported: list[str]
) -> None:
    def look() -> str:
        if 50 < clock.seconds < 100 or 200 < clock.seconds < 250:
            raise UnansweredError("nobody answers", code="NoAnswer", operation="DescribeCluster")
        return "done" if clock.seconds > 300 else "same"

    until(context, look)
    assert reported == ["nobody answers; asking again"] * 2
