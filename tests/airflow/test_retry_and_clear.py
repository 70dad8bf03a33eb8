"""What people do with runs in the user interface: start two, with any values, clear a task, mark one."""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from airflow_api import ApiError
from airflow_world import times

if TYPE_CHECKING:
    from airflow_world import AirflowWorld

TASKS = ("preflight", "launch", "sd", "terminate", "verdict")
# What a value that is read as a command or as a template would make.
POISONED = Path(tempfile.gettempdir(), f"kiln_poison_{os.getpid()}")
POISON = f"'\"; $(touch {POISONED}) `touch {POISONED}`\ntouch {POISONED}\n{{{{ 1 / 0 }}}}{{% raw %}}"
ENDED = "TERMINATED"


class Before(NamedTuple):
    """What a run had left, before its step was cleared."""

    tasks: dict[str, dict[str, Any]]
    cluster: dict[str, Any]
    steps: dict[str, str]
    result: Any


def clear_a_step(world: AirflowWorld) -> Before:
    """Wait for the run, clear its step, wait again."""
    api = world.api
    assert api.wait_for_run("plain", "poisoned") == "success"
    (cluster,) = world.clusters("plain", "poisoned")
    before = Before(
        api.tasks("plain", "poisoned"),
        cluster,
        world.steps(cluster["Id"]),
        api.result("plain", "poisoned", "sd"),
    )
    api.clear("plain", "poisoned", "sd")
    api.until(lambda: len(world.clusters("plain", "poisoned")) > 1)
    assert api.wait_for_run("plain", "poisoned") == "success"
    return before


@pytest.mark.airflow_run("plain", "poisoned", {"anything": POISON, POISON: {POISON: [POISON]}})
@pytest.mark.airflow_beside.with_args(clear_a_step)
def test_a_run_ends_green_whatever_its_conf_holds(world: AirflowWorld) -> None:
    before = world.after(clear_a_step)
    states = {name: task["state"] for name, task in before.tasks.items()}
    assert states == dict.fromkeys(TASKS, "success")
    assert before.cluster["Status"]["State"] == ENDED
    assert before.steps == {"sd": "COMPLETED"}
    assert before.result["cluster_id"] == before.cluster["Id"]
    assert not POISONED.exists()


def test_a_cleared_step_runs_again_alone_on_a_new_cluster(world: AirflowWorld) -> None:
    first = world.after(clear_a_step).cluster["Id"]
    (second,) = [one for one in world.clusters("plain", "poisoned") if one["Id"] != first]
    assert world.steps(second["Id"]) == {"sd": "COMPLETED"}
    assert second["Status"]["State"] == ENDED


@pytest.mark.parametrize(
    "conf",
    [
        {"environment": "prod"},
        {"terminate": "no"},
        *({param: POISON} for param in ("environment", "branch", "date", "terminate")),
    ],
)
def test_airflow_refuses_values_that_no_run_can_have(world: AirflowWorld, conf: dict[str, str]) -> None:
    with pytest.raises(ApiError, match="400"):
        world.api.trigger("plain", "refused", conf)
    assert "refused" not in {run["dag_run_id"] for run in world.api.runs("plain")}
    assert not POISONED.exists()


@pytest.mark.airflow_run("plain", "no_such_day", {"date": "2026-02-30"})
def test_a_date_that_does_not_exist_fails_in_preflight_with_one_line(world: AirflowWorld) -> None:
    assert world.api.wait_for_run("plain", "no_such_day") == "failed"
    states = world.api.states("plain", "no_such_day")
    assert (states["preflight"], states["launch"]) == ("failed", "upstream_failed")
    lines = world.api.log("plain", "no_such_day", "preflight").splitlines()
    assert len([line for line in lines if line.startswith("kiln: ") and "2026-02-30" in line]) == 1, lines
    assert world.clusters("plain", "no_such_day") == []


def test_two_runs_at_once_share_the_only_slot_of_their_pool(world: AirflowWorld) -> None:
    first = world.after(clear_a_step).tasks
    assert world.api.wait_for_run("plain", "no_such_day") == "failed"
    second = world.api.tasks("plain", "no_such_day")
    limited = times([second["preflight"], *(first[name] for name in ("preflight", "launch", "sd"))])
    assert all(before[1] <= after[0] for before, after in pairwise(limited))


def stop_both_steps(world: AirflowWorld) -> str:
    """Mark the run's first step as success and kill its second one, while they run; return the cluster."""
    cluster = world.wait_for_step("stopped", "by_hand", "sd")
    world.api.set_state("stopped", "by_hand", "sd", "success")
    world.wait_for_step("stopped", "by_hand", "cdd")
    assert world.api.states("stopped", "by_hand")["sd"] == "success"
    world.api.set_state("stopped", "by_hand", "cdd", "failed")
    return cluster


@pytest.mark.airflow_run("stopped", "by_hand")
@pytest.mark.airflow_beside.with_args(stop_both_steps)
def test_a_step_that_is_marked_as_success_lets_the_next_begin_and_one_that_is_killed_ends_the_run(
    world: AirflowWorld,
) -> None:
    cluster = world.after(stop_both_steps)
    assert world.api.wait_for_run("stopped", "by_hand") == "failed"
    states = world.api.states("stopped", "by_hand")
    assert (states["sd"], states["cdd"], states["terminate"]) == ("success", "failed", "success")
    assert world.steps(cluster) == {"sd": "CANCELLED", "cdd": "CANCELLED"}
    (only,) = world.clusters("stopped", "by_hand")
    assert (only["Id"], only["Status"]["State"]) == (cluster, ENDED)
