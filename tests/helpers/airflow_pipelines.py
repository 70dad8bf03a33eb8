"""The pipelines of the tests in Airflow, all on hollow clusters, and how fast Airflow sees a lost worker."""

from __future__ import annotations

from hollow_checkout import HollowPipeline, step

# An hour of the hollow clusters' clock: these steps end when a test moves it.
HOUR = 3600
_LONG = ("--seconds", str(HOUR))
CAUSE = "java.lang.OutOfMemoryError: Java heap space"
ONE_SLOT = "one_slot"
MOST_DAYS, BACKFILL_AT_ONCE = 10, 2

PIPELINES = {
    "plain": HollowPipeline((step("sd"), step("cdd"))),
    "broken": HollowPipeline(
        (step("sd"), step("cdd", "--exit-code", "1", "--message", CAUSE)), {"retries": 0}
    ),
    "flaky": HollowPipeline(
        (step("sd"), step("cdd", "--exit-code", "1", "--message", CAUSE)), {"retries": 1}
    ),
    "stopped": HollowPipeline((step("sd", *_LONG), step("cdd")), {"retries": 0}),
    "crashes": HollowPipeline((step("sd", *_LONG), step("cdd", *_LONG)), {"retries": 3}),
    "pairs": HollowPipeline(
        (step("sd"),), {"pool": ONE_SLOT, "max_active_runs": 2}, {"kiln_parallel_runs": 2}
    ),
    "history": HollowPipeline(
        (),
        {
            # The day after the last one ends its interval; the next interval has not ended yet.
            "schedule": f"0 5 1-{MOST_DAYS + 1} 1 *",
            "start_date": "2026-01-01",
            "max_active_runs": BACKFILL_AT_ONCE,
        },
        {"kiln_parallel_runs": BACKFILL_AT_ONCE},
    ),
}

# Its runs are those of a backfill: it stays paused until then.
BACKFILLED = "history"

# By release: section -> option -> value.
SCHEDULING = {
    "3": {
        "scheduler": {
            "task_instance_heartbeat_sec": "5",
            "task_instance_heartbeat_timeout": "30",
            "task_instance_heartbeat_timeout_detection_interval": "5",
        },
    },
    "2": {
        "scheduler": {
            "local_task_job_heartbeat_sec": "5",
            "scheduler_zombie_task_threshold": "30",
            "zombie_detection_interval": "5",
        },
    },
}
