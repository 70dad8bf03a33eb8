"""What Airflow 3 and 2.11 have in different modules: every other module imports it from here."""

from __future__ import annotations

from typing import Any

try:  # Airflow 3: the task SDK, and operators in a provider of their own
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import (
        DAG,
        Asset,
        BaseOperatorLink,
        BaseSensorOperator,
        CronDataIntervalTimetable,
        Param,
    )
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
    from airflow.sdk.execution_time.xcom import XCom
except ImportError:  # Airflow 2.11
    from airflow.datasets import Dataset as Asset
    from airflow.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
    from airflow.models.baseoperatorlink import BaseOperatorLink
    from airflow.models.dag import DAG
    from airflow.models.param import Param
    from airflow.models.xcom import XCom
    from airflow.operators.bash import BashOperator
    from airflow.operators.empty import EmptyOperator
    from airflow.sensors.base import BaseSensorOperator
    from airflow.timetables.interval import CronDataIntervalTimetable

from airflow.plugins_manager import AirflowPlugin
from airflow.triggers.base import BaseTrigger, TriggerEvent

__all__ = [
    "DAG",
    "AirflowException",
    "AirflowFailException",
    "AirflowPlugin",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "Asset",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "BaseTrigger",
    "BashOperator",
    "CronDataIntervalTimetable",
    "EmptyOperator",
    "Param",
    "TriggerEvent",
    "XCom",
    "state_of",
]


def state_of(ti: Any) -> str | None:
    """Return the state that Airflow's database has for a running task, whoever runs it now."""
    if hasattr(ti, "get_task_states"):  # Airflow 3
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id])
        state = states[ti.run_id][ti.task_id]
    else:
        state = ti.current_state()
    return None if state is None else str(getattr(state, "value", state))
