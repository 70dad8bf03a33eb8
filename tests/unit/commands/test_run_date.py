"""A run has one date: later actions without --date take that of its first one, whatever the day."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import shape
from run_world import STEPS, World

from kiln import cli
from kiln.commands import run_session
from kiln.exit_codes import ExitCode
from kiln.runs import preflight
from kiln.runs.step_parts import Part
from kiln.settings import resolve
from kiln.settings.cloudwatch_logs import CloudwatchLogs
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.system_settings import SystemSettings

if TYPE_CHECKING:
    from kiln.commands.job import Job
    from kiln.settings.ansible_values import Question
    from kiln.settings.model import ClusterShape


class Driver:
    """Calls `kiln run` on some day, in a world instead of AWS."""

    def __init__(self) -> None:
        self.world = World()
        self.today = "2026-11-20"
        self.dates: list[str | None] = []

    def settings(self, question: Question) -> tuple[Any, ClusterShape]:
        """Return the settings as Ansible would: without a date, `ds` is today."""
        ds = question.date or self.today
        steps = tuple(msgspec.structs.replace(one, args=("--date", ds)) for one in STEPS)
        driver = SimpleNamespace(
            ds=ds,
            steps=steps,
            kiln_state_uri="s3://state/kiln",
            kiln_owner="ops",
            kiln_terminate_timeout_seconds=300,
            kiln_poll_interval_seconds=5,
            kiln_run_timeout_seconds=3600,
            kiln_step_timeout_seconds=600,
            kiln_attempts=1,
            kiln_attempt_delay_seconds=0,
            kiln_alternatives=(),
            kiln_most_node_hours=0,
            kiln_after_failure="terminate",
            kiln_after_success="terminate",
            model_repo_url="",
            emr_cluster_existing=ExistingCluster(),
            kiln_cloudwatch_logs=CloudwatchLogs(),
            emr_node_os_packages=("jq",),
            emr_node_files=(),
            emr_node_system_settings=SystemSettings(),
            emr_node_os_repositories=(),
            emr_node_python_requirements="",
            model_repo_branch="",
            emr_node_environment_hash="",
            kiln_parallel_runs=1,
            kiln_if_running="fail",
        )
        return driver, shape()

    def execute(self, _context: Any, job: Job) -> int:
        self.world.data_date = job.question.date
        self.world.steps = tuple(phase.step for phase in job.selected.phases if phase.step) or STEPS
        self.world.part = Part(again=bool(job.selected.again))
        self.dates.append(job.question.date)
        return self.world.run(",".join(job.selected.names)).exit_code

    def run(self, actions: str, *more: str, day: str = "2026-11-20") -> int:
        self.today = day
        return cli.main(["run", "model_building", actions, "--env", "local", "--run-id", "r1", *more])

    def arguments(self) -> list[tuple[str, str]]:
        """Return the steps that were added, with their dates."""
        added = [one.request for cluster in self.world.aws.clusters.values() for one in cluster.steps]
        return [(one.name, one.args[-1]) for one in added]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    one = Driver()
    monkeypatch.setattr(resolve, "run_settings", one.settings)
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    monkeypatch.setattr(run_session.Session, "context", lambda *_: one.world.context)
    monkeypatch.setattr(run_session.Session, "execute", one.execute)
    return one


def test_actions_after_midnight_have_the_date_of_the_first_one(driver: Driver) -> None:
    assert driver.run("launch,provision,deploy") == 0
    assert driver.world.remembered().data_date == "2026-11-20"
    assert driver.run("sd,cdd", day="2026-11-21") == 0
    assert driver.arguments() == [("sd", "2026-11-20"), ("cdd", "2026-11-20")]
    assert driver.dates == ["2026-11-20"] * 2


def test_a_step_that_is_retried_after_midnight_is_found_again(driver: Driver) -> None:
    driver.run("launch,sd")
    assert driver.run("sd,cdd,terminate", day="2026-11-21") == 0
    assert driver.arguments() == [("sd", "2026-11-20"), ("cdd", "2026-11-20")]


def test_the_date_is_known_before_the_first_step_is_added(driver: Driver) -> None:
    """A driver that is killed in its first step has not concluded anything."""
    world = driver.world
    world.run("launch")  # by hand, which records no date
    known = []

    def before(_: int) -> None:
        if world.aws.calls[-1] == "AddJobFlowSteps":
            known.append(json.loads(world.aws.objects[world.ledger.uri])["data_date"])

    world.aws.before_call = before
    assert driver.run("sd") == 0
    assert known == ["2026-11-20"]


def test_a_date_that_contradicts_a_step_is_refused_and_not_remembered(driver: Driver) -> None:
    driver.run("launch,sd")
    assert driver.run("sd", "--date", "2026-11-19") == ExitCode.USAGE
    assert driver.run("cdd", day="2026-11-21") == 0
    assert driver.arguments() == [("sd", "2026-11-20"), ("cdd", "2026-11-20")]


def test_a_date_that_is_given_before_the_first_step_is_the_runs(driver: Driver) -> None:
    driver.run("launch")
    assert driver.run("sd", "--date", "2026-11-19") == 0
    assert driver.run("cdd", day="2026-11-21") == 0
    assert driver.arguments() == [("sd", "2026-11-19"), ("cdd", "2026-11-19")]


def test_a_second_cluster_of_a_run_has_another_date_when_that_is_asked_for(driver: Driver) -> None:
    driver.run("launch,sd,terminate")
    assert driver.run("launch,sd", "--date", "2026-11-19") == ExitCode.USAGE
    assert len(driver.world.aws.clusters) == 1
    assert driver.run("launch,sd", "--date", "2026-11-19", "--again") == 0
    assert driver.run("cdd", day="2026-11-21") == 0
    assert driver.arguments()[1:] == [("sd", "2026-11-19"), ("cdd", "2026-11-19")]
