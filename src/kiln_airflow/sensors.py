"""The tasks that wait for what a run needs: its previous run, other DAGs, objects in S3."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kiln_airflow import checks, commands
from kiln_airflow.operators import PreviousRunSensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln_airflow.settings import Pipeline


def of(pipeline: Pipeline) -> list[Any]:
    """Return the sensors of a pipeline. Between two checks they hold no slot of a worker."""
    dag = pipeline.dag
    options = {
        "mode": "reschedule",
        "poke_interval": dag.poll_interval_seconds,
        "timeout": dag.wait_timeout_seconds,
        "execution_timeout": None,
        # What waits, starts nothing: the pool is for what works.
        "pool": "default_pool",
    }
    found: list[Any] = []
    if dag.wait_for_previous != "no":
        found.append(PreviousRunSensor(task_id=checks.PREVIOUS, until=dag.wait_for_previous, **options))
    for number, row in enumerate(dag.wait_for, 1):
        make = _object if "object" in row else _dag
        found.append(make(f"wait-for-{number}", row, options))
    return found


def _dag(task_id: str, row: Mapping[str, Any], options: dict[str, Any]) -> Any:
    """Return the wait for another DAG, or a task of it, at this run's logical date or some hours before."""
    try:
        from airflow.providers.standard.sensors.external_task import ExternalTaskSensor  # noqa: PLC0415
    except ImportError:  # Airflow 2.11
        from airflow.sensors.external_task import ExternalTaskSensor  # noqa: PLC0415
    states = {"allowed_states": ["success"], "failed_states": ["failed"]}
    return ExternalTaskSensor(
        task_id=task_id,
        external_dag_id=row["dag"],
        external_task_id=row.get("task"),
        execution_delta=timedelta(hours=row.get("hours_before", 0)),
        **states,
        **options,
    )


def _object(task_id: str, row: Mapping[str, Any], options: dict[str, Any]) -> Any:
    """Return the wait for an object in S3; its address may hold {date}, {environment}, * and ?."""
    # Only DAGs that wait for objects need the provider of Amazon.
    from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor  # noqa: PLC0415

    return S3KeySensor(
        task_id=task_id,
        bucket_key=row["object"]
        .replace("{date}", commands.DATE)
        .replace("{environment}", commands.ENVIRONMENT),
        wildcard_match=re.search(r"[*?\[]", row["object"]) is not None,
        aws_conn_id=row.get("connection", "aws_default"),
        **options,
    )
