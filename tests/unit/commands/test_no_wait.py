"""`kiln run STEP --no-wait` and `kiln list --active-steps`: what a step that waits in Airflow needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from kiln_commands import Commands
from shared_cluster import launched, neighbour

from kiln import cli
from kiln.commands import shared
from kiln.emr import existing
from kiln.exit_codes import ExitCode
from kiln.settings.existing_cluster import ExistingCluster

if TYPE_CHECKING:
    from pathlib import Path

LAUNCH = ("launch,provision,deploy",)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    one = Commands()
    one.replace_parts(monkeypatch, tmp_path)
    monkeypatch.setattr(shared, "context_of", lambda _: one.context())
    assert one.kiln("r1", actions=LAUNCH) == ExitCode.OK
    return one


def active(capsys: pytest.CaptureFixture[str], *pipeline: str) -> list[str]:
    capsys.readouterr()
    assert cli.main(["list", *pipeline, "--env", "local", "--active-steps", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "active_steps"
    return [
        f"{cluster['pipeline']} {cluster['run_id']} {step['name']}"
        for cluster in document["clusters"]
        for step in cluster["steps"]
    ]


def test_active_steps_of_runs_on_shared_clusters_are_shown_and_those_of_others_are_not(
    world: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster_id = launched(world.aws, {existing.SHARED_WITH: "prod local/clicks local/model_building"})
    others = launched(world.aws, {existing.SHARED_WITH: "prod locals"})
    for one in (cluster_id, others):
        neighbour(world.aws, one, run="prod/clicks/r1")
    neighbour(world.aws, cluster_id, run="local/clicks/r9")
    neighbour(world.aws, cluster_id, name="not labelled", run="")
    world.settings["emr_cluster_existing"] = ExistingCluster(id=cluster_id)
    world.settings["kiln_parallel_runs"] = 0
    assert world.kiln("r2", actions=("launch",)) == ExitCode.OK
    world.aws.step_seconds = 86_400.0
    assert world.kiln("r2", "--no-wait", actions=("sd",)) == ExitCode.OK
    assert active(capsys) == ["clicks r9 sd", "model_building r2 sd"]
    assert active(capsys, "clicks") == ["clicks r9 sd"]
    world.aws.clusters[cluster_id].steps[-1].cancelled_at = world.clock.seconds
    world.clock.seconds += 60
    assert active(capsys, "model_building") == []


def test_a_shared_cluster_that_aws_says_nothing_about_hides_no_steps_of_others(
    world: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    launched(world.aws)
    assert world.kiln("r1", "--no-wait", actions=("sd",)) == ExitCode.OK
    # ListClusters, the steps of r1's cluster, DescribeInstances, the steps of the shared cluster.
    world.aws.faults[len(world.aws.calls) + 3] = "refused"
    assert active(capsys) == ["model_building r1 sd"]
    assert "steps on shared cluster j-0002 are not known: refused" in world.reported


def test_a_step_is_added_once_and_the_same_command_without_the_option_judges_it(
    world: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    began = world.clock.seconds
    for _ in range(2):
        assert world.kiln("r1", "--no-wait", actions=("sd",)) == ExitCode.OK
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["state"] for one in document["steps"]] in (["PENDING"], ["RUNNING"])
    assert document["verdict"] == "running"
    assert world.clock.seconds - began < 60
    assert active(capsys) == ["model_building r1 sd"]
    # Nothing of it is written down as a phase that is over, and no command stands in the ledger.
    run = world.remembered("r1")
    assert "sd" not in [one.name for one in run.phases]
    assert run.drivers == []
    assert world.kiln("r1", "--no-add", actions=("sd",)) == ExitCode.OK
    assert [step.request.name for step in world.aws.clusters["j-0001"].steps] == ["sd"]
    assert world.remembered("r1").phases[-1].name == "sd"
    assert active(capsys) == []


def test_a_complete_step_is_no_active_one(world: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.kiln("r1", actions=("sd",)) == ExitCode.OK
    assert world.kiln("r1", "--no-wait", actions=("sd",)) == ExitCode.OK
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["state"] for one in document["steps"]] == ["COMPLETED"]


def test_no_wait_makes_a_cluster_first_where_that_is_asked_for(world: Commands) -> None:
    assert world.kiln("r1", actions=("terminate",)) == ExitCode.OK
    options = ("--no-wait", "--if-no-cluster", "launch")
    assert world.kiln("r1", *options, actions=("sd",)) == ExitCode.OK
    assert [step.request.name for step in world.aws.clusters["j-0002"].steps] == ["sd"]


def test_a_step_that_has_failed_meanwhile_is_judged_and_not_added_again(world: Commands) -> None:
    world.aws.step_outcomes["sd"] = "FAILED"
    assert world.kiln("r1", "--no-wait", actions=("sd",)) == ExitCode.OK
    world.clock.seconds += 300
    assert world.kiln("r1", "--no-add", actions=("sd",)) == ExitCode.STEP_FAILED
    assert len(world.aws.clusters["j-0001"].steps) == 1
    # The next try of the task adds it again.
    world.aws.step_outcomes.clear()
    assert world.kiln("r1", "--no-wait", actions=("sd",)) == ExitCode.OK
    assert world.kiln("r1", "--no-add", actions=("sd",)) == ExitCode.OK
    assert len(world.aws.clusters["j-0001"].steps) == 2


def test_a_step_whose_cluster_ended_under_it_is_judged_on_that_cluster(world: Commands) -> None:
    assert world.kiln("r1", "--no-wait", actions=("sd",)) == ExitCode.OK
    assert world.kiln("r1", actions=("terminate",)) == ExitCode.OK
    options = ("--no-add", "--if-no-cluster", "launch")
    code = world.kiln("r1", *options, actions=("sd",))
    assert code in {ExitCode.STEP_CANCELLED, ExitCode.STEP_FAILED, ExitCode.CAPACITY}
    assert len(world.aws.clusters) == 1


def test_nothing_is_judged_that_was_never_added(world: Commands) -> None:
    assert world.kiln("r1", "--no-add", actions=("sd",)) == ExitCode.CLUSTER_NOT_FOUND


@pytest.mark.parametrize("actions", [LAUNCH, ("sd,terminate",), ()])
def test_no_wait_is_for_steps_alone(world: Commands, actions: tuple[str, ...]) -> None:
    assert world.kiln("r1", "--no-wait", actions=actions) == ExitCode.USAGE
