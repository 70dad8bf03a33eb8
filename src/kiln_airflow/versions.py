"""What Airflow 3 and 2.11 have in different modules: every other module imports it from here."""

from __future__ import annotations

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
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
    from airflow.sdk.execution_time.xcom import XCom
except ImportError:  # Airflow 2.11
    from airflow.datasets import Dataset as Asset
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
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
]
