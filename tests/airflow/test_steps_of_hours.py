"""Steps that take hours of the hollow clusters' clock, which the functions beside these tests move in turn.

One waits in Airflow's triggerer, where it holds no slot of a worker. The others go on through the loss of
workers and of the scheduler: the next try attaches to the cluster and to its steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_pipelines import BESIDE_A_WAIT, LAST_HOURS, LONG_HOURS, SHORT_HOURS
from airflow_world import LIVE, times

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

CRASHES, CRASHING = "crashes", "crashing"
DEFERRED, WAITING = "deferred", "waiting"
pytestmark = [pytest.mark.airflow_run(CRASHES, CRASHING), pytest.mark.airflow_run(DEFERRED, WAITING)]


def lose_workers(world: AirflowWorld) -> str:
    """Kill the worker of the launch and that of the first step, and let the step end; return the cluster."""
    api = world.api
    # In the middle of the launch: the worker and Kiln's command die together.
    api.until(
        lambda: bool(world.clusters(CRASHES, CRASHING, *LIVE)), explain=lambda: api.states(CRASHES, CRASHING)
    )
    world.kill_worker("launch", CRASHING, with_command=True)
    # In the middle of sd: only Airflow's processes die, and the command goes on.
    cluster = world.wait_for_step(CRASHES, CRASHING, "sd")
    world.kill_worker("sd", CRASHING, with_command=False)
    api.until(
        lambda: (
            api.tasks(CRASHES, CRASHING)["sd"]["try_number"] == 2
            and api.states(CRASHES, CRASHING)["sd"] == "running"
        )
    )
    world.advance_hours(SHORT_HOURS)
    world.wait_for_step(CRASHES, CRASHING, "cdd")
    return cluster


def wait_in_the_triggerer(world: AirflowWorld) -> str:
    """Let the deferred step end; return the cluster."""
    world.api.wait_for_task(DEFERRED, WAITING, "sd", {"deferred"})
    cluster = world.wait_for_step(DEFERRED, WAITING, "sd")
    world.after(lose_workers)
    # Its tasks need the only slot of the pool that the deferred step began in.
    world.api.wait_for_run("flaky", "retried")
    world.advance_hours(LONG_HOURS)
    return cluster


def lose_the_scheduler(world: AirflowWorld) -> None:
    """Kill the scheduler while the last step goes on, and let that end."""
    api, cluster = world.api, world.after(lose_workers)
    world.after(wait_in_the_triggerer)
    # Tasks of other runs would be begun again, too.
    api.until(lambda: api.running() == [(CRASHES, CRASHING)], explain=api.running)
    first = world.task_process("cdd", CRASHING)
    world.airflow.restart_scheduler()
    # Airflow begins the task again, and ends the process that had it: the command of that one goes on.
    # Airflow 2.11 leaves that process, too ("PID of job runner does not match").
    api.until(lambda: api.tasks(CRASHES, CRASHING)["cdd"]["try_number"] == 2)
    api.until(lambda: api.is_2 or not first.exists(), explain=lambda: api.states(CRASHES, CRASHING))
    assert world.steps(cluster)["cdd"] == "RUNNING"
    world.advance_hours(LAST_HOURS)


@pytest.mark.airflow_beside.with_args(wait_in_the_triggerer)
def test_a_deferred_step_waits_in_the_triggerer_and_is_judged_when_it_has_ended(world: AirflowWorld) -> None:
    cluster = world.after(wait_in_the_triggerer)
    assert world.api.wait_for_run(DEFERRED, WAITING) == "success"
    assert world.steps(cluster) == {"sd": "COMPLETED"}
    result = world.api.result(DEFERRED, WAITING, "sd")
    assert (result["cluster_id"], [step["state"] for step in result["steps"]]) == (cluster, ["COMPLETED"])


def test_while_a_step_is_deferred_another_task_has_the_only_slot_of_its_pool(world: AirflowWorld) -> None:
    world.after(wait_in_the_triggerer)
    assert world.api.wait_for_run(DEFERRED, WAITING) == "success"
    waiting, other = world.api.tasks(DEFERRED, WAITING)["sd"], world.api.tasks("flaky", "retried")["cdd"]
    assert waiting["pool"] == other["pool"] == BESIDE_A_WAIT
    (whole,), (within,) = times([waiting]), times([other])
    assert whole[0] < within[0] < within[1] < whole[1]


@pytest.mark.airflow_beside.with_args(lose_workers)
@pytest.mark.airflow_beside.with_args(lose_the_scheduler)
def test_one_run_survives_the_loss_of_workers_and_of_the_scheduler_on_one_cluster(
    world: AirflowWorld,
) -> None:
    cluster = world.after(lose_workers)
    world.after(lose_the_scheduler)
    assert world.api.wait_for_run(CRASHES, CRASHING) == "success"
    assert world.api.tasks(CRASHES, CRASHING)["launch"]["try_number"] == 2
    (only,) = world.clusters(CRASHES, CRASHING)
    assert (only["Id"], only["Status"]["State"]) == (cluster, "TERMINATED")
    assert world.steps(cluster) == {"sd": "COMPLETED", "cdd": "COMPLETED"}
