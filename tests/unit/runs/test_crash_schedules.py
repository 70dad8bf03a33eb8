"""Random schedules: commands, kills, signals, lost replies, throttling, lag, damaged ledgers, in any order.

Hypothesis prints the rules and the seed of a schedule that fails; the assertion shows its calls.
"""

from __future__ import annotations

import signal
from functools import partial

import pytest
from fakes import FAULTS
from hostile import MANY
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from observer import Foreign, violations, work
from run_world import STEPS
from simulated_commands import Command, cancel, reap
from simulation import Disturbance, Simulation

from kiln.errors import KilnError
from kiln.exit_codes import ExitCode
from kiln.runs.result import Result

RUNS = ("r1", "r2")
COMMANDS = (None, None, "launch,provision,deploy", "sd", "cdd", "sd,cdd,terminate", "terminate")
CALLS = ("RunJobFlow", "AddJobFlowSteps", "PutObject", "TerminateJobFlows", "List", "Describe", "")
LIFETIME_SECONDS = 7200.0
RULES_PER_SCHEDULE = 10


class Schedule(RuleBasedStateMachine):
    """Two runs of a pipeline, and all that may happen to them."""

    @initialize(seed=st.integers(0, 2**32), most=st.sampled_from((0, 1)))
    def begin(self, seed: int, most: int) -> None:
        self.most = most
        self.simulation = Simulation(seed)
        self.foreign = Foreign(self.simulation.aws)
        self.commands: list[Command | None] = []
        self.kept: dict[str, bytes] = {}

    @rule(command=st.sampled_from(COMMANDS), run_id=st.sampled_from(RUNS), resumes=st.booleans())
    def start(self, command: str | None, run_id: str, *, resumes: bool) -> None:
        number = len(self.commands)
        made = Command(
            aws=self.simulation.aws,
            actions=command,
            run_id=run_id,
            seed=number,
            most=self.most,
            resumes=resumes and command is None,
        )
        self.commands.append(made)
        self.simulation.start(f"{run_id} {command or 'run'}", made.run)

    @rule(run_id=st.sampled_from(RUNS))
    def cancel(self, run_id: str) -> None:
        self.commands.append(None)
        self.simulation.start(f"{run_id} cancel", partial(cancel, self.simulation.aws, run_id))

    @rule()
    def sweep(self) -> None:
        self.commands.append(None)
        self.simulation.start("reap", partial(reap, self.simulation.aws))

    @rule(points=st.integers(1, 100))
    def work(self, points: int) -> None:
        self.simulation.run(points=points)

    @rule(seconds=st.sampled_from((1.0, 30.0, 200.0)))
    def wait(self, seconds: float) -> None:
        self.simulation.run(seconds=seconds)

    @precondition(lambda self: self.commands)
    @rule(chosen=st.integers(0, 9))
    def kill(self, chosen: int) -> None:
        self.simulation.kill(self.simulation.drivers[chosen % len(self.commands)])

    @precondition(lambda self: self.commands)
    @rule(chosen=st.integers(0, 9))
    def send_signal(self, chosen: int) -> None:
        command = self.commands[chosen % len(self.commands)]
        if command is not None:
            command.context.stop.request(signal.SIGTERM)

    @rule(call=st.sampled_from(CALLS), kind=st.sampled_from(sorted(FAULTS.keys() - {"bug"})))
    def disturb_a_call(self, call: str, kind: str) -> None:
        self.simulation.disturbance.next_faults.append((call, kind))

    @rule(throttled=st.sampled_from((0.0, 0.5)), reset=st.sampled_from((0.0, 0.05)))
    def disturb_calls_by_chance(self, throttled: float, reset: float) -> None:
        self.simulation.disturbance.throttled, self.simulation.disturbance.reset = throttled, reset

    @rule(lag=st.sampled_from((0.0, 2.0, 20.0)), varies=st.booleans())
    def let_reads_lag(self, lag: float, *, varies: bool) -> None:
        self.simulation.disturbance.lag, self.simulation.disturbance.lag_varies = lag, varies

    @rule(reason=st.sampled_from((None, "BOOTSTRAP_FAILURE", "INTERNAL_ERROR")))
    def let_launches_fail(self, reason: str | None) -> None:
        self.simulation.aws.boot_fails = (reason, "it failed") if reason else None

    @rule(
        step=st.sampled_from([step.name for step in STEPS]), outcome=st.sampled_from(("COMPLETED", "FAILED"))
    )
    def let_steps_end(self, step: str, outcome: str) -> None:
        self.simulation.aws.step_outcomes[step] = outcome

    @rule(run_id=st.sampled_from(RUNS), body=st.sampled_from((b"", b"{}", b"\x00", b'{"version": 99}')))
    def damage_the_ledger(self, run_id: str, body: bytes) -> None:
        objects, key = (
            self.simulation.aws.objects,
            f"s3://state/kiln/ledger/local/model_building/{run_id}.json",
        )
        if key in objects:
            self.kept.setdefault(key, objects[key])
            objects[key] = body

    @rule()
    def restore_the_ledgers(self) -> None:
        self.simulation.aws.objects |= self.kept
        self.kept.clear()

    def teardown(self) -> None:
        try:
            self.simulation.disturbance = Disturbance(lag=self.simulation.disturbance.lag)
            self.simulation.run()
            self.check_history()
            self.check_nothing_is_left()
        finally:
            self.simulation.kill_all()

    def check_history(self) -> None:
        problems = violations(self.simulation.aws, STEPS) + self.foreign.touched()
        for driver in self.simulation.drivers:
            if not isinstance(driver.error, KilnError | None):
                problems.append(f"{driver.name} raised {driver.error!r}")
            if isinstance(driver.answer, Result):
                problems += self.wrong(driver.name, driver.answer)
        self.must_be_empty(problems)

    def wrong(self, name: str, result: Result) -> list[str]:
        """Return what is wrong about the end of a command."""
        of_run = [one for one in work(self.simulation.aws) if one.run.endswith(f"-{result.run_id}")]
        done = {one.name for one in of_run if one.is_complete}
        if result.exit_code == ExitCode.INTERNAL:
            return [f"{name}: {result.message}"]
        if result.verdict == "succeeded" and done != {step.name for step in STEPS}:
            return [f"{name}: succeeded, and only these are complete: {done}"]
        return []

    def check_nothing_is_left(self) -> None:
        """Fail when a cluster is live after one sweep, later than its lifetime."""
        self.simulation.clock.seconds += LIFETIME_SECONDS
        self.simulation.run_one("reap", partial(reap, self.simulation.aws))
        self.must_be_empty([f"{one} is left running" for one in self.foreign.live_others()])

    def must_be_empty(self, problems: list[str]) -> None:
        assert not problems, "\n".join([*problems, self.simulation.schedule()])


@pytest.mark.soak
def test_no_schedule_doubles_leaks_or_ends_with_the_wrong_verdict() -> None:
    run_state_machine_as_test(
        Schedule, settings=settings(max_examples=MANY, stateful_step_count=RULES_PER_SCHEDULE)
    )
