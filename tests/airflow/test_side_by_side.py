"""Runs of one DAG side by side: two that are started at once, and the days of a backfill."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_pipelines import BACKFILL_AT_ONCE, BACKFILLED, MOST_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_world import AirflowWorld

ENDED = "TERMINATED"


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


def test_two_runs_at_once_have_a_cluster_each_and_share_the_only_slot_of_their_pool(
    world: AirflowWorld,
) -> None:
    runs = ("left", "right")
    for run in runs:
        world.api.trigger("pairs", run)
    assert [world.api.wait_for_run("pairs", run) for run in runs] == ["success", "success"]
    for run in runs:
        (cluster,) = world.clusters("pairs", run, ENDED)
        assert world.steps(cluster["Id"]) == {"sd": "COMPLETED"}
    limited = ("preflight", "launch", "sd")
    tasks = [world.api.tasks("pairs", run)[name] for run in runs for name in limited]
    assert all(before[1] <= after[0] for before, after in pairwise(times(tasks)))


def test_a_backfill_runs_two_days_at_a_time(world: AirflowWorld, days: int) -> None:
    # Up to the last one, which the scheduler makes by itself when it is not there.
    first = MOST_DAYS - days + 1
    world.api.backfill(BACKFILLED, f"2026-01-{first:02}", f"2026-01-{MOST_DAYS:02}", BACKFILL_AT_ONCE)
    runs = world.api.runs(BACKFILLED)
    assert len(runs) == days
    assert {run["state"] for run in runs} == {"success"}
    assert most_at_once(times(runs)) == BACKFILL_AT_ONCE
    for run in runs:
        (cluster,) = world.clusters(BACKFILLED, run["dag_run_id"])
        assert cluster["Status"]["State"] == ENDED
