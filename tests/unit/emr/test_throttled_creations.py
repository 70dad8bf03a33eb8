"""Creating calls that AWS refuses as too many for longer than one intent counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_world import World

from kiln.aws.operations import CREATE_SECONDS, THROTTLED_SECONDS
from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

CREATING = ("RunJobFlow", "AddJobFlowSteps")


def throttle(world: World, call: str, seconds: float) -> Callable[[int], None]:
    """Return a hook that refuses a call for some time from its first try."""
    first: list[float] = []

    def before(number: int) -> None:
        if world.aws.calls[number] == call:
            first.append(world.clock.seconds)
            if world.clock.seconds < first[0] + seconds:
                world.aws.faults[number] = "throttled"

    return before


@pytest.mark.parametrize("call", CREATING)
def test_a_run_outlasts_throttling_that_is_longer_than_one_intent_counts(call: str) -> None:
    world = World()
    world.aws.before_call = throttle(world, call, 2 * CREATE_SECONDS)
    assert (world.run().exit_code, len(world.aws.clusters)) == (0, 1)
    assert [step.request.name for step in world.aws.clusters["j-0001"].steps] == ["sd", "cdd"]


@pytest.mark.parametrize("call", CREATING)
def test_throttling_without_end_is_reported_in_the_end(call: str) -> None:
    world = World()
    world.aws.before_call = throttle(world, call, 2 * THROTTLED_SECONDS)
    result = world.run()
    assert (result.exit_code, world.aws.live()) == (ExitCode.THROTTLED, [])
    assert THROTTLED_SECONDS <= world.clock.seconds < 2 * THROTTLED_SECONDS
