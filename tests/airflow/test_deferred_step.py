"""A step that waits in Airflow's triggerer, where it holds no slot of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_pipelines import HOUR

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

DAG, RUN = "deferred", "waiting"


def wait_in_the_triggerer(world: AirflowWorld) -> str:
    """Begin the run, and let its step end once it is deferred; return the cluster."""
    world.api.trigger(DAG, RUN)
    world.api.wait_for_task(DAG, RUN, "sd", {"deferred"})
    cluster = world.wait_for_step(DAG, RUN, "sd")
    world.advance(10 * HOUR)
    return cluster


@pytest.mark.airflow_clock.with_args(wait_in_the_triggerer)
def test_a_deferred_step_waits_in_the_triggerer_and_is_judged_when_it_has_ended(world: AirflowWorld) -> None:
    cluster = world.after(wait_in_the_triggerer)
    assert world.api.wait_for_run(DAG, RUN) == "success"
    assert world.steps(cluster) == {"sd": "COMPLETED"}
    result = world.api.result(DAG, RUN, "sd")
    assert (result["cluster_id"], [step["state"] for step in result["steps"]]) == (cluster, ["COMPLETED"])
