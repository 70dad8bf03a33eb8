"""DAGs of the factory, made and run by a real Airflow: their form, their colour, what is tried again.

All of them are made and run in one process of Airflow, which takes a while to start.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from hostile import COMMANDS
from tests.unit.airflow.conftest import CHECKOUT, Checkout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.processes
LAUNCH = "launch,provision,deploy"
ALL = ("previous_run", "preflight", "launch", "sd", "cdd", "terminate", "verdict")
GRAPH: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "b", "needs": ["a"]},
    {"name": "c", "needs": ["a"], "args": "{{ x }}"},
    {"name": "tidy", "always": True},
]


class Scenario(NamedTuple):
    """A pipeline's key `dag` beside the usual values, exit codes of its actions, and a run's conf."""

    dag: dict[str, Any]
    codes: dict[str, list[int]]
    conf: dict[str, Any] | None = None
    steps: Sequence[dict[str, Any]] = ({"name": "sd"}, {"name": "cdd"})


SCENARIOS = {
    "good": Scenario({}, {}, {"environment": "local", "date": "2026-11-20", "branch": "feature/x"}),
    "retried": Scenario({}, {"sd": [12, 0]}, {}),
    "deferred": Scenario({"deferrable": True, "poll_interval_seconds": 1}, {"cdd": [0, 14]}, {}),
    "failing_step": Scenario({}, {"cdd": [14]}, {}),
    "failing_launch": Scenario({"retries": 0}, {LAUNCH: [13]}, {}),
    "failing_end": Scenario({"terminate_retries": 1}, {"terminate": [20]}, {}),
    "refused_end": Scenario({"terminate_retries": 2}, {"terminate": [20, 20, 0]}, {}),
    "bad_settings": Scenario({"retries": 3}, {"preflight": [2]}, {}),
    "missing": Scenario({"retries": 3}, {"preflight": [10]}, {}),
    "kept_out": Scenario({"if_running": "skip"}, {LAUNCH: [99]}, {}),
    "complete": Scenario({"if_complete": "skip"}, {"sd": [99]}, {}),
    "held": Scenario({}, {"hold": [0]}, {"terminate": False}),
    "nothing_to_hold": Scenario({}, {"hold": [18]}, {"terminate": False}),
    "hostile_env": Scenario({"retries": 0}, {}, {"environment": COMMANDS[0]}),
    "hostile_date": Scenario({"retries": 0}, {}, {"date": "$(touch x)"}),
    "hostile_branch": Scenario({"retries": 0}, {}, {"branch": "{{ 7*7 }}"}),
    "hostile_switch": Scenario({"retries": 0}, {}, {"terminate": "false; rm -rf /"}),
    "unknown_conf": Scenario({}, {}, {"bash_command": "touch x", "env": {"KILN_SCRIPT": "x"}}),
    "graph": Scenario({"pool": "emr", "tags": ["x"], "wait_for_previous": "no"}, {}, None, GRAPH),
    "bare": Scenario({"schedule": "@daily", "catchup": True}, {}, None, ()),
    "other_texts": Scenario({"owner": "$(x)", "tags": ["$(y)"], "schedule": "0 5 * * *"}, {}),
    "asset_out": Scenario({"assets": ["s3://daily/clicks", "s3://daily/errors"]}, {}, {}),
    "asset_out_of_failure": Scenario({"assets": ["s3://daily/none"], "retries": 0}, {"cdd": [14]}, {}),
    "asset_in": Scenario({"schedule_assets": ["s3://raw/clicks", "s3://raw/users"]}, {}),
    "object_in": Scenario(
        {"wait_for": [{"object": "s3://kiln-{environment}-data/clicks/{date}/_SUCCESS"}]}, {}
    ),
    "two_schedules": Scenario({"schedule": "@daily", "schedule_assets": ["s3://raw/clicks"]}, {}),
    "wrong_number": Scenario({"retries": "two"}, {}),
    "wrong_cron": Scenario({"schedule": "every day"}, {}),
}


# A pipeline of this repo, with the values that its file has.
DAILY = "daily_transform"


class Done(NamedTuple):
    """What Airflow reports about all DAGs, and the checkout that was called."""

    checkout: Checkout
    answer: dict[str, Any]

    def states(self, name: str) -> dict[str, str]:
        """Return the states of a run's tasks that are not `success`."""
        tasks = self.answer["runs"][name]["tasks"]
        assert set(tasks) == set(ALL)
        return {task: state for task, state in tasks.items() if state != "success"}

    def colour(self, name: str) -> str:
        return str(self.answer["runs"][name]["run"])

    def actions(self, name: str) -> list[str]:
        return [one["action"] for one in self.checkout.calls(name) if one["action"] != "notify"]


def example_of_the_page() -> str:
    """Return the DAG that docs/airflow.md has written out."""
    page = (CHECKOUT / "docs/airflow.md").read_text()
    (found,) = re.findall(r"<!-- dag: .*-->\n```python\n(.*?)```\n", page, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    checkout = Checkout(tmp_path_factory.mktemp("kiln") / "checkout")
    usual = {"environment": "prod", "retry_delay_seconds": 1, "terminate_retries": 0}
    for name, one in SCENARIOS.items():
        checkout.add(name, usual | one.dag, list(one.steps), one.codes)
    runs = {name: one.conf for name, one in SCENARIOS.items() if one.conf is not None}
    (checkout.root / "dags/bake_images.py").write_text(example_of_the_page())
    daily = yaml.safe_load((CHECKOUT / f"group_vars/{DAILY}.yml").read_text())
    checkout.add(DAILY, daily["dag"], daily["steps"])
    home: Path = tmp_path_factory.mktemp("airflow")
    return Done(checkout, checkout.airflow(home, runs))


def test_a_good_run_is_green_and_does_each_action_once(done: Done) -> None:
    assert (done.colour("good"), done.states("good")) == ("success", {})
    assert done.actions("good") == ["preflight", LAUNCH, "sd", "cdd", "terminate"]


def test_values_reach_the_command_as_variables(done: Done) -> None:
    _, _, step, _, end = done.checkout.calls("good")
    assert step["argv"][:3] == ["run", "good", "sd"]
    assert {"--env=local", "--date=2026-11-20", "--branch=feature/x"} <= set(step["argv"])
    assert end["argv"] == ["run", "good", "terminate", "--env=local", "--output=json"]
    assert (step["env"]["AIRFLOW_CTX_TRY_NUMBER"], step["env"]["KILN_TASK_TRIES"]) == ("1", "2")
    assert step["env"]["KILN_LOG_URL"].startswith("http")


def test_airflows_own_configuration_stays_with_airflow(done: Done) -> None:
    """It may hold the password of its database."""
    variables = [name for one in done.checkout.calls("good") for name in one["env"]]
    assert not [name for name in variables if name.startswith("AIRFLOW__")]


def test_the_last_line_of_a_task_is_its_xcom(done: Done) -> None:
    result: dict[str, Any] = {"action": "sd", "exit_code": 0, "message": "sd says 0", "fix": "do it"}
    result["steps"] = [{"state": "COMPLETED"}]
    assert done.answer["runs"]["good"]["xcom"] == result


def test_a_failed_try_is_made_again(done: Done) -> None:
    assert (done.colour("retried"), done.states("retried")) == ("success", {})
    assert done.actions("retried").count("sd") == 2


def test_a_failed_step_makes_the_run_red_and_its_cluster_is_ended(done: Done) -> None:
    assert done.colour("failing_step") == "failed"
    assert done.states("failing_step") == {"cdd": "failed", "verdict": "upstream_failed"}
    assert done.actions("failing_step") == ["preflight", LAUNCH, "sd", "cdd", "cdd", "terminate"]
    assert "kiln ended with exit code 14: cdd says 14; fix: do it" in done.answer["log"]


def test_a_step_that_waits_in_the_triggerer_is_added_then_judged_by_another_command(done: Done) -> None:
    """The step cdd is added well, and fails while nobody waits for it."""
    assert done.colour("deferred") == "failed"
    assert done.states("deferred") == {"cdd": "failed", "verdict": "upstream_failed"}
    calls = [(one["action"], "--no-wait" in one["argv"]) for one in done.checkout.calls("deferred")]
    assert calls[2:4] == [("sd", True), ("sd", False)]
    assert calls[4:6] == [("cdd", True), ("cdd", False)]
    assert "--no-add" in done.checkout.calls("deferred")[3]["argv"]


def test_a_failed_launch_is_followed_by_the_end_of_what_it_left(done: Done) -> None:
    assert done.colour("failing_launch") == "failed"
    assert done.states("failing_launch")["launch"] == "failed"
    assert done.actions("failing_launch") == ["preflight", LAUNCH, "terminate"]


def test_an_end_that_is_not_confirmed_makes_the_run_red(done: Done) -> None:
    assert done.colour("failing_end") == "failed"
    assert done.states("failing_end") == {"terminate": "failed", "verdict": "upstream_failed"}


def test_an_end_that_is_refused_is_tried_again_and_each_time_the_notifications_are_asked_for(
    done: Done,
) -> None:
    assert (done.colour("refused_end"), done.states("refused_end")) == ("success", {})
    assert done.actions("refused_end")[-3:] == ["terminate"] * 3
    for name, events in {"refused_end": ["retry", "retry"], "failing_end": ["retry", "failed"]}.items():
        sent = [one["argv"] for one in done.checkout.calls(name) if one["action"] == "notify"]
        assert [words[words.index("--task=terminate") - 1] for words in sent] == [
            f"--event={event}" for event in events
        ]


@pytest.mark.parametrize("name", ["bad_settings", "missing"])
def test_what_no_further_try_can_change_is_tried_once_and_costs_nothing(done: Done, name: str) -> None:
    assert done.colour(name) == "failed"
    assert done.actions(name) == ["preflight"]
    assert done.states(name)["preflight"] == "failed"


def test_a_run_that_another_one_keeps_out_is_skipped(done: Done) -> None:
    assert done.colour("kept_out") == "success"
    assert done.states("kept_out") == dict.fromkeys(["launch", "sd", "cdd", "verdict"], "skipped")
    assert "--if-running=skip" in done.checkout.calls("kept_out")[1]["argv"]


def test_a_step_that_is_complete_is_skipped_where_that_was_asked_for(done: Done) -> None:
    assert done.colour("complete") == "success"
    assert done.states("complete") == dict.fromkeys(["sd", "cdd", "verdict"], "skipped")
    assert done.actions("complete") == ["preflight", LAUNCH, "sd", "terminate"]
    assert "--if-complete=skip" in done.checkout.calls("complete")[2]["argv"]
    assert "--if-complete=succeed" in done.checkout.calls("good")[2]["argv"]
    assert all("--if-complete=succeed" in one["argv"] for one in done.checkout.calls("deferred")[3:4])


@pytest.mark.parametrize("name", ["held", "nothing_to_hold"])
def test_with_terminate_switched_off_the_cluster_is_held(done: Done, name: str) -> None:
    assert done.colour(name) == "success"
    assert done.states(name) == {"terminate": "skipped", "verdict": "skipped"}
    assert done.checkout.calls(name)[-1]["argv"] == ["hold", name, "--env=prod", "--output=json"]


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("hostile")])
def test_a_param_that_is_none_reaches_no_command(done: Done, name: str) -> None:
    run = done.answer["runs"][name]
    assert run.get("run", "failed") == "failed"
    assert done.actions(name) == []


def test_the_dag_of_the_page_about_airflow_is_one(done: Done) -> None:
    assert "bake_images" in done.answer["in_folder"]


def test_what_else_a_conf_holds_changes_nothing(done: Done) -> None:
    assert done.colour("unknown_conf") == "success"
    assert done.actions("unknown_conf") == done.actions("good")


def test_steps_are_tasks_in_the_order_of_their_needs(done: Done) -> None:
    tasks = done.answer["dags"]["graph"]["tasks"]
    assert {name: one["upstream"] for name, one in tasks.items()} == {
        "preflight": [],
        "launch": ["preflight"],
        "a": ["launch"],
        "b": ["a"],
        "c": ["a"],
        "tidy": ["a", "b", "c"],
        "terminate": ["preflight", "tidy"],
        "verdict": ["terminate", "tidy"],
    }
    assert (tasks["tidy"]["rule"], tasks["b"]["rule"]) == ("all_done", "all_success")
    assert (tasks["preflight"]["setup"], tasks["terminate"]["teardown"]) == (True, True)


def test_a_cluster_ends_without_waiting_for_the_pool(done: Done) -> None:
    tasks = done.answer["dags"]["graph"]["tasks"]
    assert (tasks["b"]["pool"], tasks["terminate"]["pool"]) == ("emr", "default_pool")


def test_a_pipeline_without_steps_has_a_dag(done: Done) -> None:
    bare = done.answer["dags"]["bare"]
    assert bare["tasks"]["terminate"]["upstream"] == ["launch", "preflight"]
    assert bare["catchup"] is True


def test_wrong_settings_leave_the_other_pipelines_their_dags(done: Done) -> None:
    wrong = {"two_schedules", "wrong_number", "wrong_cron"}
    assert SCENARIOS.keys() - done.answer["dags"].keys() == wrong
    both, cron, number = done.answer["problems"]
    assert "dag has both schedule and schedule_assets" in both
    assert number == (
        "group_vars/wrong_number.yml: dag.retries is 'two': expected a whole number from 0 to 100; "
        "fix: correct dag.retries there"
    )
    assert "wrong_cron" in cron
    assert "dag.schedule is 'every day'" in cron


def test_wrong_settings_are_the_only_import_error_of_the_dag_files(done: Done) -> None:
    [(file, error)] = done.answer["import_errors"].items()
    assert file.endswith("check_settings.py")
    assert all(line in error for line in done.answer["problems"])


def test_a_run_has_updated_its_assets_when_all_of_it_has_succeeded(done: Done) -> None:
    assert done.answer["dags"]["asset_out"]["outlets"] == {
        "verdict": ["s3://daily/clicks", "s3://daily/errors"]
    }
    assert done.states("asset_out") == {}
    # The task that has them does not run after a failure.
    assert done.states("asset_out_of_failure")["verdict"] == "upstream_failed"


def test_a_dag_begins_when_its_assets_have_been_updated(done: Done) -> None:
    assert done.answer["dags"]["asset_in"]["begins_with"] == ["s3://raw/clicks", "s3://raw/users"]
    assert done.answer["dags"]["good"]["begins_with"] == []


def test_a_wait_for_an_object_is_about_the_environment_and_the_date_of_the_run(done: Done) -> None:
    key = done.answer["dags"]["object_in"]["tasks"]["wait-for-1"]["key"]
    assert key.startswith("s3://kiln-{{ params.environment }}-data/clicks/{{ params.date or ")
    assert key.endswith("}}/_SUCCESS")


def test_daily_transform_waits_for_the_days_object_and_updates_its_asset_when_all_has_succeeded(
    done: Done,
) -> None:
    dag = done.answer["dags"][DAILY]
    assert {name: one["upstream"] for name, one in dag["tasks"].items()} == {
        "previous_run": [],
        "wait-for-1": [],
        "preflight": ["previous_run", "wait-for-1"],
        "launch": ["preflight"],
        "transform": ["launch"],
        "check": ["transform"],
        "terminate": ["check", "preflight"],
        "verdict": ["check", "terminate"],
    }
    # Airflow writes the path of an address that has none.
    assert (dag["catchup"], dag["outlets"]) == (True, {"verdict": ["data://daily/"]})
    assert (dag["tasks"]["check"]["retries"], dag["tasks"]["terminate"]["retries"]) == (1, 3)


def test_commands_of_tasks_are_constants(done: Done) -> None:
    dags = [done.answer["dags"][name] for name in ("good", "failing_step", "other_texts", "held")]
    commands = [{name: one["command"] for name, one in dag["tasks"].items()} for dag in dags]
    assert all(one == commands[0] for one in commands)
    assert "{{" not in json.dumps(commands)


def test_making_dags_reads_settings_and_starts_nothing(done: Done) -> None:
    seen = done.answer["seen"]
    assert (seen["subprocess.Popen"], seen["socket.connect"]) == ([], [])
    settings = [name for name in seen["open"] if name.endswith(".yml")]
    # Each pipeline once, daily_transform too, each inventory once.
    assert len(settings) == len(SCENARIOS) + 1 + 2, settings
    # The provider of Amazon, which a wait for an object needs, imports boto3 itself.
    assert not {"ansible", "kiln"} & set(done.answer["modules"])
