"""Whole runs while AWS throttles half of the calls and loses answers; several callers at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observer import Foreign, launched, violations, work
from run_world import STEPS
from simulated_commands import Command
from simulation import Disturbance, Simulation

from kiln.exit_codes import ExitCode
from kiln.runs.attempts import Policy

if TYPE_CHECKING:
    from kiln.runs.result import Result

SEEDS = range(200)
LAG_SECONDS = 2.0
MOST_CALLS = 1.5
# Of 200 runs one loses the launch or a step in two attempts.
ATTEMPTS = Policy(attempts=3, delay_seconds=60)


def run(simulation: Simulation) -> Result:
    command = Command(aws=simulation.aws, seed=simulation.seed, attempts=ATTEMPTS)
    driver = simulation.run_one("run", command.run)
    assert driver.error is None, simulation.schedule()
    result: Result = driver.answer
    return result


def disturbed(seed: int) -> Simulation:
    return Simulation(seed, Disturbance(throttled=0.5, reset=0.05, lag=LAG_SECONDS))


def emr_calls(simulation: Simulation) -> int:
    """Count the calls to EMR that AWS answered with an effect or a read.

    Those that it throttled are left out: of twice as many that it refuses at random no driver can make fewer.
    S3 is left out as well: it has no quota that many runs share.
    """
    return sum(not call.endswith(("Object", "ObjectsV2")) for call in simulation.answered)


def is_good(result: Result) -> bool:
    # AWS itself shows whether the cluster has ended: throttled, the result may come without its state.
    return (result.exit_code, result.verdict) == (0, "succeeded")


def calls_of_an_undisturbed_run() -> int:
    simulation = Simulation(0, Disturbance(lag=LAG_SECONDS))
    assert is_good(run(simulation))
    return emr_calls(simulation)


def test_200_of_200_disturbed_runs_end_right_with_few_more_calls() -> None:
    most, total = MOST_CALLS * calls_of_an_undisturbed_run(), 0
    for seed in SEEDS:
        simulation = disturbed(seed)
        foreign = Foreign(simulation.aws)
        result = run(simulation)
        assert is_good(result), f"{result.message}\n{simulation.schedule()}"
        # A launch or a step that was lost before it had an effect costs a further attempt: nobody can know.
        assert emr_calls(simulation) <= most * (1 + len(result.attempts)), simulation.schedule()
        assert not list(foreign.live_others()), simulation.schedule()
        assert violations(simulation.aws, STEPS) + foreign.touched() == [], simulation.schedule()
        total += emr_calls(simulation)
    assert total <= most * len(SEEDS)


def start_together(seed: int, actions: str | None = None) -> Simulation:
    """Let two to eight callers start the same at the same moment, in an order that the seed gives."""
    simulation = Simulation(seed)
    if actions:
        simulation.run_one("launch", Command(aws=simulation.aws, actions="launch").run)
    for caller in range(2 + seed % 7):
        command = Command(aws=simulation.aws, actions=actions, seed=seed * 8 + caller)
        simulation.start("run", command.run)
    simulation.run()
    assert [driver.error for driver in simulation.drivers if driver.error] == [], simulation.schedule()
    return simulation


def test_of_callers_of_the_same_run_one_launches_one_cluster() -> None:
    for seed in SEEDS:
        simulation = start_together(seed)
        results: list[Result] = [driver.answer for driver in simulation.drivers]
        assert [one.exit_code for one in results if not is_good(one)] == [ExitCode.LOCKED] * (
            len(results) - 1
        ), simulation.schedule()
        assert len(launched(simulation.aws, "r1")) == 1, simulation.schedule()
        assert violations(simulation.aws, STEPS) == [], simulation.schedule()
        assert simulation.aws.live() == [], simulation.schedule()


def test_callers_of_the_same_step_add_it_once() -> None:
    for seed in SEEDS:
        simulation = start_together(seed, "sd")
        codes = {driver.answer.exit_code for driver in simulation.drivers}
        assert codes <= {0, ExitCode.LOCKED}, simulation.schedule()
        assert [one.name for one in work(simulation.aws)] == ["sd"], simulation.schedule()
