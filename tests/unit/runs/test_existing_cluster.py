"""Runs on a cluster that others use, too: what they leave alone, whatever stops them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import msgspec
import pytest
from drivers_world import Drivers
from fakes import FakeAws, VirtualClock
from kiln_commands import Commands
from run_world import LIMITS, STEPS, World
from shared_cluster import launched, neighbour

from kiln.commands import shared
from kiln.diagnosis import applications
from kiln.errors import UsageError
from kiln.exit_codes import ExitCode
from kiln.runs.cancellation import Cancellation
from kiln.settings.existing_cluster import ExistingCluster

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeStep

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step

# More calls than a whole run makes.
MOST_CALLS = 200


def world_on(aws: FakeAws, cluster_id: str, **changes: object) -> World:
    world = World(aws=aws, **changes)  # type: ignore[arg-type]  # World's own parameters
    world.existing = ExistingCluster(id=cluster_id)
    return world


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws(VirtualClock())


def steps_of(aws: FakeAws, cluster_id: str, run: str = "local/model_building/r1") -> list[FakeStep]:
    return [one for one in aws.clusters[cluster_id].steps if one.request.run == run]


def names_at_emr(aws: FakeAws, cluster_id: str) -> list[tuple[str, str]]:
    return [(one.request.name, one.request.run) for one in aws.clusters[cluster_id].steps]


def test_a_whole_run_uses_the_cluster_and_leaves_it(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    world = world_on(aws, cluster_id)
    result = world.run()
    assert (result.exit_code, result.verdict, result.cluster_id) == (0, "succeeded", cluster_id)
    assert names_at_emr(aws, cluster_id) == [(one.name, "local/model_building/r1") for one in STEPS]
    assert [one.name for one in result.steps] == ["sd", "cdd"]
    assert aws.live() == [cluster_id]
    assert aws.calls.count("RunJobFlow") == 1
    assert not {"TerminateJobFlows", "SetTerminationProtection", "AddTags"}.intersection(aws.calls)
    said = [line for line in world.reporter.lines if cluster_id in line and "stays" in line]
    assert len(said) == 2, said
    assert "launch" not in world.playbooks.ran


def test_two_runs_with_the_same_steps_and_arguments_each_have_their_own(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    for run_id in ("r1", "r2"):
        assert world_on(aws, cluster_id, run_id=run_id).run().exit_code == 0
    assert [run[-2:] for _, run in names_at_emr(aws, cluster_id)] == ["r1", "r1", "r2", "r2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_call_ends_the_runs_steps_and_nothing_else(number: int) -> None:
    for call in range(MOST_CALLS):
        aws = FakeAws(VirtualClock())
        cluster_id = launched(aws)
        other = neighbour(aws, cluster_id)
        world = world_on(aws, cluster_id)
        world.signal_at(len(aws.calls) + call, number)
        result = world.run()
        active = [
            one
            for one in steps_of(aws, cluster_id)
            if "RUNNING" in aws.step_state(aws.clusters[cluster_id], one)
        ]
        assert not active, call
        assert other.cancelled_at is None, call
        assert aws.live() == [cluster_id], call
        if result.exit_code == 0:
            return
        assert result.exit_code in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}, (call, result)
    pytest.fail("a run makes more calls than this test tries")


def test_a_deadline_ends_the_runs_step_and_its_application_and_nothing_else() -> None:
    drivers = Drivers()
    aws = drivers.aws
    cluster_id = launched(aws)
    other = neighbour(aws, cluster_id)
    aws.step_seconds = 7200.0
    drivers.existing = ExistingCluster(id=cluster_id)
    drivers.limits = msgspec.structs.replace(LIMITS, run_seconds=300, step_seconds=3600)
    result = drivers.run("r1")
    assert result.exit_code == ExitCode.DEADLINE
    (own,) = steps_of(aws, cluster_id)
    assert own.cancelled_at is not None
    assert drivers.killed == [f"{cluster_id} local/model_building/r1/sd"]
    assert other.cancelled_at is None
    assert aws.live() == [cluster_id]


def test_a_failed_step_fails_its_run_once_and_the_run_can_be_resumed(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    aws.step_outcomes["cdd"] = "FAILED"
    world = world_on(aws, cluster_id)
    result = world.run()
    assert (result.exit_code, len(world.remembered().attempts)) == (ExitCode.STEP_FAILED, 1)
    aws.step_outcomes.clear()
    world.resumes = True
    assert world.run().exit_code == 0
    assert [one.request.name for one in steps_of(aws, cluster_id)] == ["sd", "cdd", "cdd"]
    assert aws.live() == [cluster_id]


def test_a_single_action_attaches_and_terminate_ends_what_the_run_has_active(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    other = neighbour(aws, cluster_id)
    world = world_on(aws, cluster_id)
    assert world.run("launch").exit_code == 0
    assert world.run("sd").exit_code == 0
    # A driver that was killed has left a step.
    left = neighbour(aws, cluster_id, run="local/model_building/r1")
    # The action terminate knows no other settings.
    world.existing = ExistingCluster()
    assert world.run("terminate").exit_code == 0
    assert left.cancelled_at is not None
    assert other.cancelled_at is None
    assert aws.live() == [cluster_id]


def test_a_run_that_changes_to_clusters_of_its_own_is_refused_and_ends_nothing(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    world = world_on(aws, cluster_id)
    world.run("launch")
    world.existing = ExistingCluster()
    for actions in ("launch,terminate", "sd,terminate"):
        world.run(actions)
        assert aws.live() == [cluster_id], actions


def test_a_lost_addition_is_never_taken_for_the_step_of_another_run(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    world = world_on(aws, cluster_id)
    world.run("launch")

    def lose(call: int) -> None:
        if aws.calls[-1] == "AddJobFlowSteps":
            aws.faults[call] = "lost_before"
            aws.before_call = lambda _: None
            neighbour(aws, cluster_id, run="local/model_building/r2")

    aws.before_call = lose
    result = world.run("sd")
    assert result.exit_code == ExitCode.STEP_FAILED
    assert "not known" in result.message
    assert all(one.step_id is None for one in world.remembered().steps)


def test_an_addition_whose_answer_was_lost_is_found_by_the_label_of_its_run(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    neighbour(aws, cluster_id)
    world = world_on(aws, cluster_id)
    world.run("launch")

    def lose(call: int) -> None:
        if aws.calls[-1] == "AddJobFlowSteps":
            aws.faults[call] = "lost_after"

    aws.before_call = lose
    assert world.run("sd").exit_code == 0
    assert len(steps_of(aws, cluster_id)) == 1


def test_a_cancellation_from_outside_ends_the_steps_of_its_run_only(aws: FakeAws) -> None:
    cluster_id = launched(aws)
    other = neighbour(aws, cluster_id)
    aws.step_seconds = 86_400.0
    world = world_on(aws, cluster_id)
    killed: list[str] = []

    def kill(_context: Context, cluster: Cluster, step: Step) -> str:
        killed.append(f"{cluster.id} {step.name} {step.run}")
        return "was killed in YARN"

    def cancel(_: int) -> None:
        if len(steps_of(aws, cluster_id)) == 1 and aws.calls[-1] == "ListSteps":
            aws.before_call = lambda _: None
            cancellation = Cancellation(context=world.context, ledger=world.ledger, kill=kill)
            (one,) = cancellation.cancel([cluster_id], None)
            assert (one.name, one.state, one.problem) == ("sd", "CANCELLED", "")

    aws.before_call = cancel
    result = world.run()
    assert result.exit_code == ExitCode.STEP_CANCELLED
    assert killed == [f"{cluster_id} sd local/model_building/r1"]
    assert other.cancelled_at is None
    assert aws.live() == [cluster_id]


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    found = Commands()
    found.replace_parts(monkeypatch, tmp_path)
    return found


@pytest.mark.parametrize("ssh_is_known", [True, False])
def test_the_terminate_action_ends_applications_and_needs_no_settings_of_ssh_to_end_steps(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, *, ssh_is_known: bool
) -> None:
    aws, killed = commands.aws, list[str]()
    cluster_id = launched(aws)
    commands.settings["emr_cluster_existing"] = ExistingCluster(id=cluster_id)
    assert commands.kiln("r1", actions=("launch",)) == 0
    left = neighbour(aws, cluster_id, run="local/model_building/r1")

    def ssh_of(_context: Context, access: object, cluster_id: str) -> object:
        if not ssh_is_known:
            raise UsageError("group_vars/all/ssh.yml cannot be read")
        return (cluster_id, access)

    def kill(_effects: object, _cluster: Cluster, step: Step, _ssh: object) -> str:
        killed.append(step.name)
        return "was killed in YARN"

    monkeypatch.setattr(shared, "ssh_of", ssh_of)
    monkeypatch.setattr(applications, "kill", kill)
    assert commands.kiln("r1", actions=("terminate",)) == 0
    assert left.cancelled_at is not None
    assert killed == (["sd"] if ssh_is_known else [])
    assert aws.live() == [cluster_id]


def test_a_run_that_takes_over_the_lock_ends_the_steps_of_the_dead_one() -> None:
    drivers = Drivers()
    aws = drivers.aws
    cluster_id = launched(aws)
    other = neighbour(aws, cluster_id)
    drivers.existing = ExistingCluster(id=cluster_id)

    def kill(_: int) -> None:
        if steps_of(aws, cluster_id):
            steps_of(aws, cluster_id)[0].seconds = 86_400.0
            raise KilledError

    aws.before_call = kill
    with pytest.raises(KilledError):
        drivers.execution(drivers.enter("r1"), "r1").run()
    aws.before_call = lambda _: None
    drivers.clock.seconds += 3600
    assert drivers.run("r2").exit_code == 0
    (dead,) = steps_of(aws, cluster_id)
    assert dead.cancelled_at is not None
    assert drivers.killed == [f"{cluster_id} local/model_building/r1/sd"]
    assert other.cancelled_at is None
    assert aws.live() == [cluster_id]
