"""The driver of a whole run is killed before and after each of its calls; then the command is given again.

The points are all calls to AWS, ledger writes among them, that the same run makes when nobody kills it.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest
from hostile import every_call
from observer import Foreign, violations, work
from run_world import STEPS
from simulated_commands import Command, reap
from simulation import Disturbance, Simulation

from kiln import this_process
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import DEAD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulation import Driver

    from kiln.runs.result import Result
    from kiln.settings.model import StepSettings

# The lifetime of a cluster (fakes.shape), after which anybody may end it.
LIFETIME_SECONDS = 7200.0
# After this time the heartbeat of a dead driver is old, also that of one that died in its first second.
ORPHAN_SECONDS = 2 * DEAD_SECONDS
LAGS = (0.0, 20.0)
DURABLE = tuple(msgspec.structs.replace(step, durable=True) for step in STEPS)
# The commands of a run task by task, as Airflow gives them.
TASKS = ("launch,provision,deploy", "sd", "cdd", "terminate")
GOOD = (0, "succeeded", "TERMINATED")


class Crash:
    """One run whose driver dies at a call, foreign clusters around it, and what comes after."""

    def __init__(self, lag: float, steps: tuple[StepSettings, ...] = STEPS) -> None:
        self.simulation = Simulation(seed=1, disturbance=Disturbance(lag=lag))
        self.foreign = Foreign(self.simulation.aws)
        self.steps = steps

    def start(self, actions: str | None = None) -> Driver:
        seed = len(self.simulation.drivers)
        command = Command(aws=self.simulation.aws, actions=actions, steps=self.steps, seed=seed)
        return self.simulation.start(actions or "run", command.run)

    def die(self, point: Point, actions: str | None = None) -> Driver:
        """Start a command and let its driver die."""
        driver = self.start(actions)
        if point.is_after:
            driver.dies_after = point.call
        else:
            driver.dies_before = point.call
        if point.is_lost:
            driver.faults = {point.call - 1: "lost_after"}
        self.simulation.run()
        return driver

    def again(self, actions: str | None = None) -> Result:
        """Give the command again, to a driver that lives, until the dead one does not count any more."""
        while True:
            driver = self.start(actions)
            self.simulation.run()
            assert driver.error is None, self.text(repr(driver.error))
            result: Result = driver.answer
            if result.exit_code != ExitCode.LOCKED:
                return result
            self.simulation.clock.seconds += DEAD_SECONDS

    def check(self, expected: tuple[int, str, str], result: Result) -> None:
        """Fail when this has done what no run may do, or has not ended as expected."""
        got = (result.exit_code, result.verdict, result.cluster_state)
        problems = violations(self.simulation.aws, self.steps) + self.foreign.touched()
        assert not problems, self.text(*problems)
        assert got == expected, self.text(str(got), result.message)

    def check_nothing_is_left(self) -> None:
        left = list(self.foreign.live_others())
        assert not left, self.text("left running:", *left)

    def text(self, *problems: str) -> str:
        return "\n".join([*problems, self.simulation.schedule()])


class Point(NamedTuple):
    """Where a driver dies: before or after the effect of its call of this number.

    `is_lost`: the reply of the call before was lost, so that it dies while it searches for the effect.
    """

    call: int
    is_after: bool
    is_lost: bool


def points(lag: float, actions: str | None = None, before: Sequence[str] = ()) -> Iterator[Point]:
    """Return every point of a command that comes after others."""
    crash = Crash(lag)
    for one in before:
        crash.again(one)
    count = crash.die(Point(0, is_after=False, is_lost=False), actions).calls
    for call, is_after, is_lost in itertools.product(every_call(count + 1, 1), (False, True), (False, True)):
        yield Point(call, is_after, is_lost)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize(
    "steps",
    [STEPS, DURABLE],
    ids=["steps", "durable"],
)
def test_the_same_command_again_finishes_the_run(steps: tuple[StepSettings, ...], lag: float) -> None:
    for point in points(lag):
        crash = Crash(lag, steps)
        crash.die(point)
        crash.check(GOOD, crash.again())
        assert [one.name for one in work(crash.simulation.aws)] == ["sd", "cdd"], crash.text()
        crash.check_nothing_is_left()


@pytest.mark.parametrize("lag", LAGS)
def test_on_the_same_machine_it_need_not_wait_for_the_dead_driver(
    monkeypatch: pytest.MonkeyPatch, lag: float
) -> None:
    for point in points(lag):
        crash = Crash(lag)
        let_processes_differ(monkeypatch, crash.simulation)
        crash.die(point)
        crash.check(GOOD, crash.again())
        assert crash.simulation.drivers[1].answer.exit_code == 0, crash.text()
        assert [one.name for one in work(crash.simulation.aws)] == ["sd", "cdd"], crash.text()
        crash.check_nothing_is_left()


def let_processes_differ(monkeypatch: pytest.MonkeyPatch, simulation: Simulation) -> None:
    """Let each driver be a process of its own that the others can see to have ended."""

    def started(_pid: int) -> str:
        return simulation.running.name if simulation.running else ""

    def has_ended(_machine: str, _pid: int, started_at: str) -> bool:
        return any(one.is_dead and one.name == started_at for one in simulation.drivers)

    monkeypatch.setattr(this_process, "started", started)
    monkeypatch.setattr(this_process, "has_ended", has_ended)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("seconds", [ORPHAN_SECONDS, LIFETIME_SECONDS], ids=["orphaned", "expired"])
def test_nothing_is_left_after_one_sweep(seconds: float, lag: float) -> None:
    for point in points(lag):
        crash = Crash(lag)
        crash.die(point)
        crash.simulation.clock.seconds += seconds
        crash.simulation.run_one("reap", partial(reap, crash.simulation.aws))
        crash.check_nothing_is_left()


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("task", range(len(TASKS)))
def test_a_task_again_goes_on_where_its_driver_died(task: int, lag: float) -> None:
    for point in points(lag, TASKS[task], TASKS[:task]):
        crash = Crash(lag)
        for one in TASKS[:task]:
            crash.again(one)
        crash.die(point, TASKS[task])
        for one in TASKS[task:-1]:
            assert crash.again(one).exit_code == 0, crash.text()
        crash.check(GOOD, crash.again(TASKS[-1]))
        crash.check_nothing_is_left()
