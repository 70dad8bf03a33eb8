"""A driver killed at any call, or a fault at any call of entering a run: the next run gets the pipeline."""

from __future__ import annotations

from contextlib import suppress

import pytest
from drivers_world import Drivers
from hostile import every_call

from kiln.emr.lost_calls import UNSETTLED_SECONDS
from kiln.errors import KilnError
from kiln.ledger.schema import DEAD_SECONDS


class Killed(BaseException):
    """SIGKILL: not one call follows, whatever cleans up."""


def calls_of(run: str = "r1") -> int:
    world = Drivers()
    world.run(run)
    return len(world.aws.calls)


def kill(world: Drivers, call: int) -> None:
    def before(at: int) -> None:
        if at >= call:
            raise Killed

    world.aws.before_call = before
    with pytest.raises(Killed):
        world.run("r1")
    world.aws.before_call = lambda _: None


@pytest.mark.parametrize("call", every_call(calls_of()))
def test_the_next_run_ends_what_a_killed_one_has_left_and_works(call: int) -> None:
    world = Drivers()
    kill(world, call)
    world.clock.seconds += DEAD_SECONDS + UNSETTLED_SECONDS
    assert world.run("r2").exit_code == 0
    assert world.aws.live() == []
    assert world.holders() == []


@pytest.mark.parametrize("call", every_call(calls_of(), first=1, step=7))
def test_the_same_run_goes_on_after_its_driver_was_killed(call: int) -> None:
    world = Drivers()
    kill(world, call)
    world.clock.seconds += DEAD_SECONDS + UNSETTLED_SECONDS
    result = world.run("r1")
    assert (result.exit_code, result.verdict) == (0, "succeeded")
    assert world.aws.live() == []
    assert world.holders() == []


@pytest.mark.parametrize("fault", ["throttled", "lost_before", "lost_after", "refused"])
def test_a_fault_at_any_call_of_entering_leaves_no_lock_for_long(fault: str) -> None:
    alone = Drivers()
    alone.enter("r1").leave()
    for call in range(len(alone.aws.calls)):
        world = Drivers()
        world.aws.faults[call] = fault
        with suppress(KilnError):
            world.enter("r1").leave()
        world.clock.seconds += DEAD_SECONDS + 1
        world.enter("r2")
        assert world.holders() == ["r2"]
