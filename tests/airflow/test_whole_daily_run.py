"""The daily run of model_building on a real cluster, which has gone on while the other tests ran.

Its pictures stay in .kiln/airflow_pictures, for people to look at.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from account import BUCKETS
from airflow_pages import AirflowPages
from checkout_copy import CHECKOUT
from chromium import Chromium
from local_world import DATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_world import AirflowWorld

DAG, RUN = "model_building", "daily"
pytestmark = pytest.mark.airflow_run(DAG, RUN, {"environment": "local", "date": DATE})
PICTURES = CHECKOUT / ".kiln/airflow_pictures"
STEPS = ("sd", "cdd")
TASKS = ("previous_run", "preflight", "launch", *STEPS, "terminate", "verdict")
PNG = b"\x89PNG\r\n"
# A picture with less in it than that is an empty page.
LEAST_BYTES = 20_000


@pytest.fixture(scope="module")
def daily(world: AirflowWorld) -> AirflowWorld:
    """Wait until the run has ended."""
    state = world.api.wait_for_run(DAG, RUN)
    failed = [name for name, one in world.api.states(DAG, RUN).items() if one == "failed"]
    assert state == "success", "\n".join(world.api.log(DAG, RUN, name)[-5000:] for name in failed)
    return world


def test_the_daily_run_is_green_its_outputs_are_in_s3_and_its_cluster_is_gone(daily: AirflowWorld) -> None:
    assert daily.api.states(DAG, RUN) == dict.fromkeys(TASKS, "success")
    (cluster,) = daily.clusters(DAG, RUN)
    assert cluster["Status"]["State"] == "TERMINATED"
    assert daily.steps(cluster["Id"]) == dict.fromkeys(STEPS, "COMPLETED")
    s3 = daily.session.resource("s3")
    for step in STEPS:
        result = daily.api.result(DAG, RUN, step)
        assert result["cluster_id"] == cluster["Id"]
        assert result["outputs"], result
        for output in result["outputs"]:
            bucket, _, prefix = output["uri"].removeprefix("s3://").partition("/")
            assert bucket == BUCKETS["data_bucket"]
            assert list(s3.Bucket(bucket).objects.filter(Prefix=prefix).limit(1)), output


def test_each_task_has_links_to_the_runs_ledger_and_to_the_logs_of_its_cluster(daily: AirflowWorld) -> None:
    (cluster,) = daily.clusters(DAG, RUN)
    for task in STEPS:
        links = daily.api.links(DAG, RUN, task)
        assert f"{RUN}.json" in str(links["Run"])
        assert cluster["Id"] in str(links["Logs in S3"])


def test_each_dag_is_made_by_one_file_and_stays_the_same(daily: AirflowWorld) -> None:
    if daily.api.is_2:
        pytest.skip("Airflow 2.11 keeps no versions of DAGs")
    assert daily.api.versions(DAG) == 1


@pytest.fixture
def pages(daily: AirflowWorld, tmp_path: Path) -> Iterator[AirflowPages]:
    if daily.api.is_2:
        pytest.skip("the pages are those of Airflow 3")
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    browser = Chromium(tmp_path / "profile")
    yield AirflowPages(daily.airflow, browser, PICTURES)
    browser.close()


def test_graph_gantt_and_log_of_the_daily_run_show_in_a_browser(
    daily: AirflowWorld, pages: AirflowPages
) -> None:
    (cluster,) = daily.clusters(DAG, RUN)
    for file in (
        pages.graph(DAG, RUN, len(TASKS)),
        pages.gantt(DAG, RUN, "cdd"),
        pages.log(DAG, RUN, "launch", cluster["Id"]),
    ):
        picture = file.read_bytes()
        assert picture.startswith(PNG)
        assert len(picture) > LEAST_BYTES, file
