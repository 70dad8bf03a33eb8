"""Runs of one DAG side by side: two that are started at once, and the days of a backfill."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from airflow_pipelines import BACKFILL_AT_ONCE, BACKFILLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_world import AirflowWorld

ENDED = "TERMINATED"
TASKS = ("preflight", "launch", "transform", "check", "terminate", "verdict")


def times(rows: Iterable[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    """Return when each began and ended, the first one first."""
    return sorted(
        (datetime.fromisoformat(one["start_date"]), datetime.fromisoformat(one["end_date"])) for one in rows
    )


def most_at_once(intervals: Iterable[tuple[datetime, datetime]]) -> int:
    changes = sorted((at, change) for one in intervals for at, change in zip(one, (1, -1), strict=True))
    now, most = 0, 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@pytest.mark.airflow_run("pairs", "left")
@pytest.mark.airflow_run("pairs", "right")
def test_two_runs_at_once_have_a_cluster_each_and_share_the_only_slot_of_their_pool(
    world: AirflowWorld,
) -> None:
    runs = ("left", "right")
    assert [world.api.wait_for_run("pairs", run) for run in runs] == ["success", "success"]
    for run in runs:
        (cluster,) = world.clusters("pairs", run, ENDED)
        assert world.steps(cluster["Id"]) == {"sd": "COMPLETED"}
    limited = ("preflight", "launch", "sd")
    tasks = [world.api.tasks("pairs", run)[name] for run in runs for name in limited]
    assert all(before[1] <= after[0] for before, after in pairwise(times(tasks)))


@pytest.mark.airflow_backfill(BACKFILLED, BACKFILL_AT_ONCE)
def test_days_of_daily_transform_are_backfilled_two_at_a_time(world: AirflowWorld, days: list[str]) -> None:
    runs = world.api.wait_for_runs(BACKFILLED, len(days))
    assert {run["state"] for run in runs} == {"success"}
    assert sorted(run["logical_date"][:10] for run in runs) == days
    assert most_at_once(times(runs)) == BACKFILL_AT_ONCE
    lives = []
    for run in runs:
        tasks = world.api.states(BACKFILLED, run["dag_run_id"])
        assert tasks == dict.fromkeys(("wait-for-1", *TASKS), "success")
        (cluster,) = world.clusters(BACKFILLED, run["dag_run_id"])
        status = cluster["Status"]
        assert (status["State"], status["StateChangeReason"]["Code"]) == (ENDED, "ALL_STEPS_COMPLETED")
        lives.append((status["Timeline"]["CreationDateTime"], status["Timeline"]["EndDateTime"]))
        assert world.steps(cluster["Id"]) == {"transform": "COMPLETED", "check": "COMPLETED"}
    assert most_at_once(lives) <= BACKFILL_AT_ONCE
    glue = world.session.client("glue")
    partitions = glue.get_partitions(DatabaseName="kiln_local", TableName="clicks")["Partitions"]
    assert set(days) <= {one["Values"][0] for one in partitions}
