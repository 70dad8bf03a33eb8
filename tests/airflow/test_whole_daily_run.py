"""The daily run of model_building on a real cluster, begun by its schedule, beside the other tests.

Its pictures stay in .kiln/airflow_pictures, for people to look at.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from account import BUCKETS
from airflow_pages import AirflowPages
from airflow_pipelines import DAILY, last_interval
from checkout_copy import CHECKOUT
from chromium import Chromium

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

PICTURES = CHECKOUT / ".kiln/airflow_pictures"
STEPS = ("sd", "cdd")
COMMANDS = ("preflight", "launch", *STEPS, "terminate")
TASKS = ("previous_run", *COMMANDS, "verdict")
PNG = b"\x89PNG\r\n"
# A picture with less in it than that is an empty page.
LEAST_BYTES = 20_000


def wait_for_daily(world: AirflowWorld) -> str:
    """Wait until the run has ended well; return its id."""
    run = world.api.scheduled(DAILY)
    state = world.api.wait_for_run(DAILY, run)
    failed = [name for name, one in world.api.states(DAILY, run).items() if one == "failed"]
    assert state == "success", "\n".join(world.api.log(DAILY, run, name)[-5000:] for name in failed)
    return run


@pytest.fixture(scope="module")
def run(world: AirflowWorld) -> str:
    return wait_for_daily(world)


def test_the_daily_run_is_green_its_outputs_are_in_s3_and_its_cluster_is_gone(
    world: AirflowWorld, run: str
) -> None:
    assert world.api.states(DAILY, run) == dict.fromkeys(TASKS, "success")
    (cluster,) = world.clusters(DAILY, run)
    assert cluster["Status"]["State"] == "TERMINATED"
    assert world.steps(cluster["Id"]) == dict.fromkeys(STEPS, "COMPLETED")
    # The date of a run is that of the day that its data is of.
    for one in world.emr.list_steps(ClusterId=cluster["Id"])["Steps"]:
        assert last_interval() in " ".join(one["Config"]["Args"])
    s3 = world.session.resource("s3")
    for step in STEPS:
        result = world.api.result(DAILY, run, step)
        assert result["cluster_id"] == cluster["Id"]
        assert result["outputs"], result
        for output in result["outputs"]:
            bucket, _, prefix = output["uri"].removeprefix("s3://").partition("/")
            assert bucket == BUCKETS["data_bucket"]
            assert list(s3.Bucket(bucket).objects.filter(Prefix=prefix).limit(1)), output


def test_each_task_links_to_the_runs_ledger_and_each_with_a_cluster_to_its_logs(
    world: AirflowWorld, run: str
) -> None:
    (cluster,) = world.clusters(DAILY, run)
    for task in COMMANDS:
        links = world.api.links(DAILY, run, task)
        assert str(links["Run"]).endswith(quote(f"{run}.json")), task
        # No button before there is a cluster.
        logs = links["Logs in S3"]
        assert (cluster["Id"] in str(logs)) if task != "preflight" else not logs, task


def test_each_dag_is_made_by_one_file_and_stays_the_same(world: AirflowWorld, run: str) -> None:
    if world.api.is_2:
        pytest.skip("Airflow 2.11 keeps no versions of DAGs")
    assert run
    assert world.api.versions(DAILY) == 1


def take_pictures(world: AirflowWorld) -> list[Path]:
    """Look at the run in a browser; return the pictures of graph, Gantt and log. None of Airflow 2.11."""
    run = wait_for_daily(world)
    if world.api.is_2:
        return []
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    (cluster,) = world.clusters(DAILY, run)
    with tempfile.TemporaryDirectory() as profile:
        browser = Chromium(Path(profile))
        try:
            pages = AirflowPages(world.airflow, browser, PICTURES)
            return [
                pages.graph(DAILY, run, len(TASKS)),
                pages.gantt(DAILY, run, "cdd"),
                pages.log(DAILY, run, "launch", cluster["Id"]),
            ]
        finally:
            browser.close()


@pytest.mark.airflow_beside.with_args(take_pictures)
def test_graph_gantt_and_log_of_the_daily_run_show_in_a_browser(world: AirflowWorld) -> None:
    if world.api.is_2:
        pytest.skip("the pages are those of Airflow 3")
    for file in world.after(take_pictures):
        picture = file.read_bytes()
        assert picture.startswith(PNG)
        assert len(picture) > LEAST_BYTES, file
