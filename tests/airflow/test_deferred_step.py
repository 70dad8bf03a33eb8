"""A step that waits in Airflow's triggerer, where it holds no slot of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_pipelines import HOUR

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

DAG, RUN = "deferred", "waiting"


def test_a_deferred_step_waits_in_the_triggerer_and_is_judged_when_it_has_ended(world: AirflowWorld) -> None:
    world.api.trigger(DAG, RUN)
    world.api.wait_for_task(DAG, RUN, "sd", {"deferred"})
    cluster = world.wait_for_step(DAG, RUN, "sd")
    world.box.advance(10 * HOUR)
    assert world.api.wait_for_run(DAG, RUN) == "success"
    assert world.steps(cluster) == {"sd": "COMPLETED"}
    result = world.api.result(DAG, RUN, "sd")
    assert (result["cluster_id"], [step["state"] for step in result["steps"]]) == (cluster, ["COMPLETED"])
