"""`kiln list` and `kiln status` say how a run ended, whoever worked on it last: kiln, playbooks, nobody."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import shape
from run_world import World

from kiln import cli
from kiln.ansible_modules import cluster, options, step
from kiln.aws.effects import LostInstance
from kiln.commands import failed_phase, run, shared
from kiln.errors import KilnError, PlaybookError
from kiln.exit_codes import ExitCode
from kiln.ledger.schema import StepEntry
from kiln.settings import inventories, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.ledger.schema import Run

ACCOUNT = {"region": "us-east-1", "state_uri": "s3://state/kiln"}
RUN: dict[str, Any] = {"pipeline": "model_building", "environment": "local", "run_id": "r1", "owner": "ops"}
ACCESS = SimpleNamespace(
    kiln_state_uri="s3://state/kiln",
    emr_cluster_private_key_file="",
    emr_cluster_ssh_user="hadoop",
    emr_cluster_ssh_proxy_command="",
)


class Module:
    """What AnsibleModule would be with these options."""

    check_mode = False

    def __init__(self, spec: dict[str, Any], given: dict[str, Any]) -> None:
        self.params = {name: option.get("default") for name, option in spec.items()} | ACCOUNT | given


def launch(world: World) -> None:
    wanted = {key: value for key, value in msgspec.to_builtins(shape()).items() if value is not None}
    cluster.work(world.context, Module(options.CLUSTER, RUN | wanted | {"poll_interval_seconds": 5.0}))


def run_step(world: World, name: str = "sd") -> None:
    wanted = [{"name": name, "jar": "command-runner.jar", "args": ["true"]}]
    step.work(world.context, Module(options.STEP, {"cluster_id": "j-0001", "steps": wanted}))


def terminate(world: World) -> None:
    cluster.work(world.context, Module(options.CLUSTER, RUN | {"state": "absent"}))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def show(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call a command and return its JSON."""
    monkeypatch.setattr(resolve, "part", lambda *_: ACCESS)
    monkeypatch.setattr(inventories, "pipelines", lambda *_: ["model_building"])
    monkeypatch.setattr(shared, "context_of", lambda _: world.context)

    def call(*arguments: str) -> dict[str, Any]:
        assert cli.main([*arguments, "--env", "local", "-o", "json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    return call


def verdicts(show: Any) -> list[str]:
    """Return the verdict of the run as `list` and `status` have it."""
    return [show("list")["runs"][0]["verdict"], show("status", "model_building")["verdict"]]


def test_the_end_of_a_pipeline_without_a_run_is_no_running_run(
    world: World, monkeypatch: pytest.MonkeyPatch, show: Any
) -> None:
    def session(arguments: object) -> SimpleNamespace:
        return SimpleNamespace(
            arguments=arguments,
            root=None,
            stop=world.context.stop,
            context=lambda _: world.context,
            refusals_sent=nullcontext,
        )

    monkeypatch.setattr(run, "Session", session)
    assert show("run", "model_building", "terminate")["verdict"] == "no_step"


def test_a_run_by_playbooks_is_running_until_its_cluster_ends(world: World, show: Any) -> None:
    launch(world)
    run_step(world)
    assert verdicts(show) == ["running"] * 2


@pytest.mark.parametrize(
    ("outcome", "verdict"), [("COMPLETED", "succeeded"), ("FAILED", "failed"), ("CANCELLED", "cancelled")]
)
def test_a_run_by_playbooks_ends_as_its_steps_did(
    world: World, show: Any, outcome: str, verdict: str
) -> None:
    world.aws.step_outcomes["sd"] = outcome
    launch(world)
    try:
        run_step(world)
    except KilnError:
        assert outcome != "COMPLETED"
    terminate(world)
    assert verdicts(show) == [verdict] * 2


def test_a_run_by_playbooks_without_steps_has_none(world: World, show: Any) -> None:
    launch(world)
    terminate(world)
    assert verdicts(show) == ["no_step"] * 2


def test_a_launch_by_playbook_that_failed_is_a_failed_run(world: World, show: Any) -> None:
    world.aws.boot_fails = ("BOOTSTRAP_FAILURE", "bootstrap action 1 failed")
    with pytest.raises(KilnError):
        launch(world)
    assert verdicts(show) == ["failed"] * 2


def test_a_run_whose_driver_was_killed_ends_with_its_cluster(world: World, show: Any) -> None:
    """Nobody recorded how the step and the cluster ended: AWS knows."""
    world.run("launch")
    kept = world.remembered()
    world.run("sd")
    for entry in (now := world.remembered()).steps:
        entry.state = None
    now.verdict, now.concluded = kept.verdict, kept.concluded
    world.aws.objects[world.ledger.uri] = msgspec.json.encode(now)
    assert verdicts(show) == ["running"] * 2
    world.aws.clusters["j-0001"].ended_at = world.clock.seconds
    world.clock.seconds += 100
    assert verdicts(show) == ["succeeded"] * 2


def test_a_failed_run_that_a_playbook_repeats_is_no_longer_failed(world: World, show: Any) -> None:
    world.aws.step_outcomes["sd"] = "FAILED"
    world.run("launch,sd")
    assert verdicts(show) == ["failed"] * 2
    world.aws.step_outcomes["sd"] = "COMPLETED"
    run_step(world)
    assert verdicts(show) == ["running"] * 2
    terminate(world)
    assert verdicts(show) == ["succeeded"] * 2


def test_what_a_run_concluded_stays_when_its_cluster_is_kept(world: World, show: Any) -> None:
    world.aws.step_outcomes["sd"] = "FAILED"
    world.run("launch,sd")
    world.clock.seconds += 3600
    assert verdicts(show) == ["failed"] * 2


def test_a_launch_that_goes_on_is_running_and_one_that_never_came_is_not(world: World, show: Any) -> None:
    world.aws.before_call = lambda at: world.aws.faults.update(
        {at: "lost_before"} if world.aws.calls[-1] == "RunJobFlow" else {}
    )
    with pytest.raises(KilnError):
        launch(world)
    assert verdicts(show) == ["running"] * 2
    world.clock.seconds += 300
    assert verdicts(show) == ["no_step"] * 2


def test_a_listing_asks_aws_only_about_runs_that_nobody_concluded(world: World, show: Any) -> None:
    world.run()
    world.aws.calls.clear()
    show("list")
    assert sorted(world.aws.calls) == ["GetObject", "ListClusters", "ListObjectsV2"]


PROVISION = PlaybookError(
    "provision: task 'packages | Install' failed on 10.0.0.7: no space left",
    details=("dnf: 12 MB needed",),
    fix="read .kiln/runs/r1/provision.log",
)


@pytest.fixture
def _failed_provision(world: World) -> None:
    world.playbooks.fail["provision"] = PROVISION
    world.run("launch,provision")


@pytest.mark.usefixtures("_failed_provision")
@pytest.mark.parametrize("then", [None, terminate, lambda world: world.run("terminate")])
def test_status_and_diagnose_show_a_failed_playbook_also_after_the_end(
    world: World, show: Any, then: Callable[[World], object] | None
) -> None:
    if then:
        then(world)
    status = show("status", "model_building", "--run-id", "r1")
    assert status["verdict"] == "failed"
    (failed,) = [phase for phase in status["phases"] if phase["status"] == "failed"]
    assert (failed["name"], failed["message"], failed["fix"]) == (
        "provision",
        PROVISION.message,
        PROVISION.fix,
    )
    diagnosed = show("diagnose", "model_building", "--run-id", "r1")
    assert (diagnosed["phase"], diagnosed["lines"][0]) == ("provision", PROVISION.message)
    assert any("dnf" in line for line in diagnosed["lines"])
    assert ("kiln run model_building provision --env local --run-id r1" in diagnosed["next"]) == (
        then is None
    )


@pytest.mark.usefixtures("_failed_provision")
def test_people_see_which_task_failed_where_and_the_next_command(
    show: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show
    for command in ("status", "diagnose"):
        assert cli.main([command, "model_building", "--env", "local", "--run-id", "r1"]) == 0
        shown = capsys.readouterr().out
        assert "task 'packages | Install' failed on 10.0.0.7: no space left" in shown
        assert "kiln run model_building provision --env local --run-id r1" in shown


def test_a_phase_that_went_well_later_is_not_diagnosed(world: World, show: Any) -> None:
    world.playbooks.fail["provision"] = PROVISION
    world.run("launch,provision")
    world.playbooks.fail.clear()
    world.aws.step_outcomes["sd"] = "FAILED"
    world.run("provision,sd")
    assert show("diagnose", "model_building", "--run-id", "r1", "--step", "sd")["step"] == "sd"
    assert "phase" not in show("diagnose", "model_building", "--run-id", "r1", "--step", "sd")


def by_hand_on(world: World) -> None:
    """Provision and deploy by their playbooks, which write nothing about phases, then the step."""
    world.clock.seconds += 60
    run_step(world)


@pytest.mark.usefixtures("_failed_provision")
@pytest.mark.parametrize("end", [terminate, lambda world: world.run("terminate")])
def test_a_playbook_that_was_repeated_by_hand_is_no_failure_of_the_run(
    world: World, show: Any, end: Callable[[World], object]
) -> None:
    by_hand_on(world)
    status = show("status", "model_building")
    assert (status["verdict"], status["message"], status["next"]) == ("running", "", [])
    end(world)
    assert verdicts(show) == ["succeeded"] * 2
    assert show("list")["runs"][0]["exit_code"] in {None, 0}


@pytest.mark.usefixtures("_failed_provision")
def test_a_playbook_that_was_repeated_by_hand_is_no_failure_of_later_actions(world: World, show: Any) -> None:
    world.clock.seconds += 60
    assert world.run("deploy").exit_code == 0
    assert world.run("sd,cdd").exit_code == 0
    ended = world.run("terminate")
    assert (ended.exit_code, ended.verdict) == (0, "succeeded")
    assert verdicts(show) == ["succeeded"] * 2


@pytest.mark.usefixtures("_failed_provision")
def test_a_step_that_failed_after_a_repeated_playbook_is_what_is_diagnosed(world: World, show: Any) -> None:
    world.aws.step_outcomes["sd"] = "FAILED"
    with pytest.raises(KilnError):
        by_hand_on(world)
    assert failed_phase.of_run(world.remembered(), live=True) is None
    terminate(world)
    assert verdicts(show) == ["failed"] * 2


@pytest.mark.usefixtures("_failed_provision")
def test_a_step_that_never_began_stays_a_failure_when_another_one_went_well(world: World, show: Any) -> None:
    world.aws.before_call = lambda at: world.aws.faults.update(
        {at: "refused"} if world.aws.calls[-1] == "DescribeCluster" else {}
    )
    assert world.run("cdd").exit_code != 0
    world.aws.before_call = lambda _: None
    by_hand_on(world)
    terminate(world)
    assert verdicts(show) == ["failed"] * 2


@pytest.mark.parametrize("state", ["REFUSED", "NOT_FOUND", "RUNNING", None])
def test_a_step_without_a_known_end_is_a_failure_of_a_run_that_ended(
    world: World, show: Any, state: str | None
) -> None:
    launch(world)

    def intend(run: Run) -> None:
        run.steps.append(StepEntry(name="sd", cluster_id="j-0001", intent_at=world.ledger.now(), state=state))

    world.ledger.update(intend)
    terminate(world)
    assert verdicts(show) == ["failed"] * 2


@pytest.mark.parametrize(("optional", "verdict"), [(True, "succeeded"), (False, "failed")])
def test_the_failure_of_an_optional_step_does_not_fail_a_run(
    world: World, show: Any, verdict: str, *, optional: bool
) -> None:
    launch(world)
    run_step(world)

    def intend(run: Run) -> None:
        run.steps.append(
            StepEntry(
                name="more",
                cluster_id="j-0001",
                intent_at=world.ledger.now(),
                step_id="s-000199",
                state="FAILED",
                optional=optional,
            )
        )

    world.ledger.update(intend)
    terminate(world)
    assert verdicts(show) == [verdict] * 2


def test_status_shows_the_class_that_a_command_recorded(world: World, show: Any) -> None:
    world.aws.boot_fails = ("INTERNAL_ERROR", "EC2 is out of capacity for m5.xlarge")
    result = world.run()
    assert (result.exit_code, result.failure_class) == (ExitCode.CAPACITY, "capacity")
    assert world.remembered().failure_class == "capacity"
    assert show("status", "model_building")["failure_class"] == "capacity"


def test_status_finds_the_class_of_a_run_that_nobody_concluded(world: World, show: Any) -> None:
    world.aws.step_outcomes["sd"] = "FAILED"
    launch(world)
    with pytest.raises(KilnError):
        run_step(world)
    terminate(world)
    status = show("status", "model_building")
    assert (status["verdict"], status["failure_class"]) == ("failed", "user_code")


def test_the_end_of_a_cluster_keeps_the_class_that_was_recorded_before(world: World, show: Any) -> None:
    world.run("launch")
    world.aws.lost["j-0001"] = [
        LostInstance(id="ci-1", ec2_instance_id="", group_id="ig-CORE", market="SPOT", ended_at=None)
    ]
    world.aws.step_outcomes["sd"] = "FAILED"
    assert world.run("sd").failure_class == "spot_loss"
    assert world.run("terminate").failure_class == "spot_loss"
    assert show("status", "model_building")["failure_class"] == "spot_loss"


def test_a_cluster_that_aws_has_forgotten_ended_as_the_ledger_says(world: World, show: Any) -> None:
    launch(world)
    run_step(world)
    terminate(world)

    def forget_end(run: Run) -> None:
        run.steps[0].state = None

    world.ledger.update(forget_end)
    world.aws.clusters.clear()
    status = show("status", "model_building", "--run-id", "r1")
    assert (status["verdict"], status["failure_class"]) == ("failed", "unknown")


def test_an_end_that_was_confirmed_later_is_no_failure(world: World, show: Any) -> None:
    world.run("launch,provision,deploy,sd,cdd")
    world.aws.never_ends = True
    assert world.run("terminate").exit_code == ExitCode.NOT_TERMINATED
    assert verdicts(show) == ["failed"] * 2
    assert show("diagnose", "model_building")["phase"] == "terminate"
    world.aws.never_ends = False
    terminate(world)
    status = show("status", "model_building", "--run-id", "r1")
    assert (status["verdict"], status["message"], status["next"]) == ("succeeded", "", [])
    row = show("list")["runs"][0]
    assert (row["verdict"], row["exit_code"]) == ("succeeded", None)


def test_an_end_that_nobody_confirmed_stays_a_failure(world: World, show: Any) -> None:
    """AWS shows no live cluster any more, and no command has seen the end: the ledger does not know it."""
    world.run("launch,sd")
    world.aws.never_ends = True
    assert world.run("terminate").exit_code == ExitCode.NOT_TERMINATED
    world.aws.never_ends = False
    assert verdicts(show) == ["failed"] * 2
