"""Workers and schedulers that are killed: the next try attaches to the cluster and to its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_pipelines import HOUR
from airflow_world import LIVE

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

DAG, RUN = "crashes", "crashing"


def lose_workers_and_the_scheduler(world: AirflowWorld) -> str:
    """Begin the run, and kill what runs its tasks, one process after the other; return the cluster."""
    api = world.api
    api.trigger(DAG, RUN)
    # In the middle of the launch: the worker and Kiln's command die together.
    api.until(lambda: bool(world.clusters(DAG, RUN, *LIVE)), explain=lambda: api.states(DAG, RUN))
    world.kill_worker("launch", RUN, with_command=True)
    # In the middle of sd: only Airflow's processes die, and the command goes on.
    cluster = world.wait_for_step(DAG, RUN, "sd")
    world.kill_worker("sd", RUN, with_command=False)
    api.until(
        lambda: api.tasks(DAG, RUN)["sd"]["try_number"] == 2 and api.states(DAG, RUN)["sd"] == "running"
    )
    world.advance(HOUR)
    # In the middle of cdd the scheduler dies. Tasks of other runs would be begun again, too.
    world.wait_for_step(DAG, RUN, "cdd")
    api.until(lambda: api.running() == [(DAG, RUN)], explain=api.running)
    first = world.task_process("cdd", RUN)
    world.airflow.restart_scheduler()
    # Airflow begins the task again, and ends the process that had it: the command of that one goes on.
    # Airflow 2.11 leaves that process, too ("PID of job runner does not match").
    api.until(lambda: api.tasks(DAG, RUN)["cdd"]["try_number"] == 2)
    api.until(lambda: api.is_2 or not first.exists(), explain=lambda: api.states(DAG, RUN))
    assert world.steps(cluster)["cdd"] == "RUNNING"
    world.advance(HOUR)
    return cluster


@pytest.mark.airflow_clock.with_args(lose_workers_and_the_scheduler)
def test_one_run_survives_the_loss_of_workers_and_of_the_scheduler_on_one_cluster(
    world: AirflowWorld,
) -> None:
    api, cluster = world.api, world.after(lose_workers_and_the_scheduler)
    assert api.wait_for_run(DAG, RUN) == "success"
    assert api.tasks(DAG, RUN)["launch"]["try_number"] == 2
    (only,) = world.clusters(DAG, RUN)
    assert (only["Id"], only["Status"]["State"]) == (cluster, "TERMINATED")
    assert world.steps(cluster) == {"sd": "COMPLETED", "cdd": "COMPLETED"}
