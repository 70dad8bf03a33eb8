"""The days of a backfill, side by side as many as asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_pipelines import BACKFILL_AT_ONCE, BACKFILLED
from airflow_world import times

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from airflow_world import AirflowWorld

ENDED = "TERMINATED"
TASKS = ("preflight", "launch", "transform", "check", "terminate", "verdict")


def most_at_once(intervals: Iterable[tuple[datetime, datetime]]) -> int:
    changes = sorted((at, change) for one in intervals for at, change in zip(one, (1, -1), strict=True))
    now, most = 0, 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


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
