"""The pipelines of the tests in Airflow, all on hollow clusters, and how fast Airflow sees a lost worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hollow_checkout import HollowPipeline, OwnPipeline, step

# Hours of the hollow clusters' clock, by which tests move it in this order to end steps: each ends one step.
SHORT_HOURS, LONG_HOURS, LAST_HOURS = 1, 10, 20


def _hours(count: int) -> tuple[str, str]:
    return "--seconds", str(3600 * count)


# These end when somebody stops them.
_ENDLESS = _hours(100)
CAUSE = "java.lang.OutOfMemoryError: Java heap space"
# Pools of one slot.
ONE_SLOT, BESIDE_A_WAIT = "one_slot", "beside_a_wait"
# Its clusters are held, and idle, for less time than the clock is moved by.
BRIEFLY_HELD, HOLD_SECONDS = "broken", 60
BACKFILL_AT_ONCE = 2
_FAILING = step("cdd", "--exit-code", "1", "--message", CAUSE)
_AT_ONCE = 4
# How often commands ask about clusters and steps that wait for hours: they share the cores with all others.
POLL_SECONDS = 2


def _pipeline(
    *steps: dict[str, Any],
    max_active_runs: int = _AT_ONCE,
    settings: dict[str, Any] | None = None,
    **dag: Any,
) -> HollowPipeline:
    """Return a pipeline of whose runs some go on side by side."""
    at_once = {"max_active_runs": max_active_runs}
    own = {"kiln_parallel_runs": max_active_runs, "kiln_poll_interval_seconds": POLL_SECONDS}
    return HollowPipeline(steps, {**at_once, **dag}, {**own, **(settings or {})})


PIPELINES = {
    "plain": _pipeline(step("sd"), pool=ONE_SLOT),
    BRIEFLY_HELD: _pipeline(_FAILING, retries=0, settings={"kiln_hold_seconds": HOLD_SECONDS}),
    "flaky": _pipeline(step("sd"), _FAILING, retries=1, pool=BESIDE_A_WAIT),
    "stopped": _pipeline(step("sd", *_ENDLESS), step("cdd", *_ENDLESS), retries=0),
    # Each look at its step is a command of Kiln's, a second of a core.
    "deferred": _pipeline(
        step("sd", *_hours(LONG_HOURS)), deferrable=True, poll_interval_seconds=15, pool=BESIDE_A_WAIT
    ),
    "crashes": _pipeline(step("sd", *_hours(SHORT_HOURS)), step("cdd", *_hours(LAST_HOURS)), retries=3),
}

# daily_transform's own file under another name: the DAGs of this checkout have one of that name. Its runs are
# those of a backfill: it stays paused until then.
BACKFILLED = "daily"

# The only one with a schedule, on a real cluster. Switched on, it runs for the last interval that is over.
DAILY = "model_building"
_BEGINS = timedelta(hours=5)  # dag.schedule in group_vars/model_building.yml: each day at this time, UTC


def last_interval() -> str:
    """Return the date of the daily run that is due now: it begins when its interval of a day has ended."""
    return (datetime.now(UTC) - _BEGINS - timedelta(days=1)).date().isoformat()


def days_before_today(count: int) -> list[str]:
    """Return the last days that are over, the first one first."""
    today = datetime.now(UTC).date()
    return [(today - timedelta(days=ago)).isoformat() for ago in range(count, 0, -1)]


def backfilled(first: str) -> OwnPipeline:
    """Return the pipeline whose DAG begins on a day. It catches up, but has no day twice."""
    at_once = {"max_active_runs": BACKFILL_AT_ONCE, "wait_for_previous": "no"}
    return OwnPipeline(
        "daily_transform", {**at_once, "start_date": first}, {"kiln_parallel_runs": BACKFILL_AT_ONCE}
    )


# A scheduler begins the tasks of one that died again when that one has missed its heartbeats for a time (by
# default 30 s); it looks for such tasks by default every five minutes.
_SCHEDULER_LOSS = {"orphaned_tasks_check_interval": "5", "scheduler_health_check_threshold": "15"}

# By release: section -> option -> value.
SCHEDULING = {
    "3": {
        # The files do not change while the tests run.
        "dag_processor": {"min_file_process_interval": "600"},
        "scheduler": {
            **_SCHEDULER_LOSS,
            "task_instance_heartbeat_sec": "10",
            "task_instance_heartbeat_timeout": "30",
            "task_instance_heartbeat_timeout_detection_interval": "5",
        },
    },
    "2": {
        "scheduler": {
            **_SCHEDULER_LOSS,
            "local_task_job_heartbeat_sec": "5",
            # A task of 2.11 is a process that imports Airflow; beside many others it begins late.
            "scheduler_zombie_task_threshold": "90",
            "zombie_detection_interval": "5",
            "stale_dag_threshold": "600",
        },
        "core": {"parallelism": "6"},
    },
}
