"""Keys of `dag` that exclude or need each other are found by Kiln, too, before Airflow makes a DAG."""

from __future__ import annotations

from typing import Any

import pytest

from kiln.settings import dag_check, typed
from kiln.settings.dag import Dag


def found(**dag: Any) -> list[str]:
    settings = typed.convert({"environment": "local", **dag}, Dag, label="p.yml", key="dag")
    return [error.message for error in dag_check.problems(settings, lambda place: f"p.yml:7 ({place})")]


def test_waits_and_one_schedule_go_together() -> None:
    waits = [{"dag": "raw", "task": "load", "hours_before": 3}, {"object": "s3://raw/x", "connection": "raw"}]
    assert found(schedule="@daily", wait_for=waits) == []
    assert found(schedule_assets=["s3://raw/clicks"]) == []


def test_a_pipeline_without_a_dag_has_no_problem() -> None:
    assert list(dag_check.problems(None, str)) == []


@pytest.mark.parametrize(
    ("dag", "message"),
    [
        (
            {"schedule": "@daily", "schedule_assets": ["s3://raw/clicks"]},
            "p.yml:7 (dag.schedule_assets): dag has both schedule and schedule_assets",
        ),
        (
            {"wait_for": [{"dag": "raw"}, {"task": "load"}]},
            "p.yml:7 (dag.wait_for[1]): dag.wait_for[1] names nothing to wait for",
        ),
        (
            {"wait_for": [{"object": "s3://raw/x", "hours_before": 3}]},
            "p.yml:7 (dag.wait_for[0]): dag.wait_for[0] has an object, and keys of a wait for a DAG",
        ),
        (
            {"wait_for": [{"dag": "raw", "connection": "raw"}]},
            "p.yml:7 (dag.wait_for[0]): dag.wait_for[0] has a connection, which only an object needs",
        ),
    ],
)
def test_a_contradiction_is_named_with_its_line(dag: dict[str, Any], message: str) -> None:
    assert found(**dag) == [message]
