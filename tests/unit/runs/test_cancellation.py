"""`kiln cancel`: a step or a run ends, its driver begins nothing more, and the cluster stays."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hostile import every_call, many, texts
from hypothesis import given
from run_world import STEPS, World

from kiln import cli
from kiln.commands import shared
from kiln.diagnosis import applications
from kiln.emr import add_steps, steps
from kiln.errors import UsageError, caught
from kiln.exit_codes import ExitCode
from kiln.ledger import cancel_request, drivers
from kiln.ledger.schema import StepEntry
from kiln.runs.cancellation import Cancellation, Cancelled
from kiln.settings import resolve

ACCESS = SimpleNamespace(
    kiln_state_uri="s3://state/kiln",
    emr_cluster_private_key_file="",
    emr_cluster_ssh_user="hadoop",
    emr_cluster_ssh_proxy_command="",
)


def launched(seconds: float = 5000) -> World:
    world = World()
    assert world.run("launch").exit_code == 0
    world.aws.step_seconds = seconds
    return world


def add(world: World, *which: int) -> None:
    for at in which:
        add_steps.add(world.context, "j-0001", STEPS[at], world.ledger)


def cancel(world: World, name: str | None = None) -> list[Cancelled]:
    one = Cancellation(context=world.context, ledger=world.ledger, kill=lambda *_: "")
    return one.cancel(world.aws.live(), name)


def states(world: World) -> dict[str, str]:
    cluster = world.aws.clusters["j-0001"]
    return {one.request.name: world.aws.step_state(cluster, one) for one in cluster.steps}


def test_cancelling_a_run_ends_its_steps_and_leaves_its_cluster() -> None:
    world = launched()
    add(world, 0, 1)
    found = cancel(world)
    assert [(one.name, one.state, one.problem) for one in found] == [
        ("sd", "CANCELLED", ""),
        ("cdd", "CANCELLED", ""),
    ]
    assert world.aws.calls.count("CancelSteps") == 1
    assert world.aws.live() == ["j-0001"]
    kept = world.remembered()
    assert kept.cancel_requested_at is not None
    assert [entry.state for entry in kept.steps] == ["CANCELLED", "CANCELLED"]


def test_cancelling_a_step_leaves_the_others_and_the_run() -> None:
    world = launched()
    add(world, 0, 1)
    assert [one.name for one in cancel(world, "sd")] == ["sd"]
    assert states(world) == {"sd": "CANCELLED", "cdd": "RUNNING"}
    assert world.remembered().cancel_requested_at is None


def test_steps_of_others_on_the_cluster_are_not_cancelled() -> None:
    world = launched()
    add(world, 0)
    foreign = steps.request(STEPS[1])
    world.aws.add_steps("j-0001", [foreign])
    cancel(world)
    assert states(world) == {"sd": "CANCELLED", "cdd": "RUNNING"}


def test_a_driver_begins_nothing_after_its_run_was_cancelled() -> None:
    world = launched()
    cancel(world)
    result = world.run("sd")
    assert result.exit_code == ExitCode.STEP_CANCELLED
    assert "nothing more is begun" in result.message
    assert states(world) == {}
    assert cancel_request.cancel_requested(world.ledger)


@pytest.mark.parametrize("call", every_call(40))
def test_a_run_that_is_cancelled_at_any_call_of_its_driver_ends_cancelled(call: int) -> None:
    world = launched()
    first = len(world.aws.calls)

    def before(at: int) -> None:
        if at == first + call:
            world.aws.before_call = lambda _: None
            cancel(world)

    world.aws.before_call = before
    result = world.run("sd,cdd")
    assert result.exit_code in {ExitCode.STEP_CANCELLED, ExitCode.DEADLINE}
    assert "RUNNING" not in states(world).values()
    assert "cdd" not in states(world)


def test_a_step_whose_addition_is_under_way_is_waited_for_and_cancelled() -> None:
    world = launched()
    meant = StepEntry(name="sd", cluster_id="j-0001", intent_at=world.ledger.now())
    world.ledger.update(lambda run: run.steps.append(meant))
    world.aws.add_steps("j-0001", [steps.request(STEPS[0])])
    world.aws.lag = 20
    assert [one.state for one in cancel(world)] == ["CANCELLED"]


def test_an_addition_of_long_ago_that_never_showed_up_is_not_waited_for() -> None:
    world = launched()
    meant = StepEntry(name="sd", cluster_id="j-0001", intent_at=world.ledger.now())
    world.ledger.update(lambda run: run.steps.append(meant))
    world.clock.seconds += 3600
    before = world.clock.seconds
    assert cancel(world) == []
    assert world.clock.seconds < before + 5


def test_a_step_that_ignores_everything_is_reported_with_its_state() -> None:
    world = launched()
    add(world, 0)
    world.aws.ignores_cancel = True
    (one,) = cancel(world)
    assert (one.state, bool(one.problem)) == ("RUNNING", True)


def test_a_step_that_ends_before_its_cancellation_is_reported_as_it_ended() -> None:
    world = launched(30)
    add(world, 0)
    world.aws.ignores_cancel = True
    (one,) = cancel(world)
    assert (one.state, one.problem) == ("COMPLETED", "")


@many
@given(name=texts("sd", "cdd"))
def test_any_name_of_a_step_is_one_or_a_clear_error(name: str) -> None:
    world = launched()
    add(world, 0)
    error = caught(lambda: cancel(world, name))
    if name != "sd":
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        assert error.fix == "its steps: sd"
        assert "CancelSteps" not in world.aws.calls


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the command for a world; return its exit code."""

    def call(world: World, *arguments: str) -> int:
        monkeypatch.setattr(resolve, "part", lambda *_: ACCESS)
        monkeypatch.setattr(shared, "context_of", lambda _: world.context)
        monkeypatch.setattr(applications, "kill", lambda *_: "")
        return cli.main(["cancel", "model_building", "--env", "local", *arguments])

    return call


def test_the_command_says_what_happened(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    world = launched()
    add(world, 0)
    assert command(world) == 0
    shown = capsys.readouterr().out
    assert "step sd (s-000101) on cluster j-0001: CANCELLED" in shown
    assert "nothing more is begun in it; clusters that stay: j-0001" in shown
    assert command(world, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == []


def test_the_command_says_that_a_whole_run_ends_its_cluster_itself(
    command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    world = launched()
    made = drivers.made(drivers.Work(("launch", "sd"), whole=True), world.clock.now())
    world.ledger.update(lambda run: run.drivers.append(made))
    assert command(world) == 0
    assert "its command ends its clusters: j-0001" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ignores", "step", "code"), [(True, "sd", ExitCode.DEADLINE), (False, "sdd", ExitCode.USAGE)]
)
def test_the_commands_exit_code_says_what_is_left(
    command: Any, step: str, code: ExitCode, *, ignores: bool
) -> None:
    world = launched()
    add(world, 0)
    world.aws.ignores_cancel = ignores
    assert command(world, "--step", step) == code


def test_a_run_that_has_ended_is_not_marked_as_cancelled(command: Any) -> None:
    world = World()
    world.run()
    assert command(world, "--run-id", "r1") == 0
    assert world.remembered().cancel_requested_at is None


def test_a_run_that_does_not_exist_is_not_found(command: Any) -> None:
    assert command(World(), "--run-id", "r9") == ExitCode.CLUSTER_NOT_FOUND
