"""From a pipeline's settings to its DAG. Nothing here calls AWS, Ansible or another program."""

from __future__ import annotations

import importlib.util
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
from croniter import croniter

from kiln_airflow import checks, settings
from kiln_airflow.checks import SettingsError
from kiln_airflow.tasks import Tasks
from kiln_airflow.versions import DAG, Asset, CronDataIntervalTimetable, Param

if TYPE_CHECKING:
    from pathlib import Path

    from kiln_airflow.settings import Pipeline

_DATE = r"^(\d{4}-\d{2}-\d{2})?$"
# What --branch of scripts/kiln takes; empty: the pipeline's own.
_BRANCH = rf"^({checks.BRANCH})?$"
_NAMED_SCHEDULES = frozenset({"@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"})
# An Airflow installation may belong to one environment: its DAGs offer that one first.
_ENVIRONMENT_VARIABLE = "KILN_ENV"


def dags(root: Path, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the DAGs of all pipelines with a key `dag` that is sound.

    `without` names pipelines whose DAGs are made elsewhere.
    """
    found, _ = pipelines(root)
    return {one.name: dag_of(one) for one in found if one.name not in without}


def pipelines(root: Path) -> tuple[list[Pipeline], list[str]]:
    """Return the pipelines that have DAGs, and what is wrong with others, a line each. It makes no DAG.

    Airflow keeps every DAG that a file makes, also one that is not among the names of the file's module.
    """
    found: list[Pipeline] = []
    problems: list[str] = []
    try:
        listed = settings.environments(root)
    except SettingsError as error:
        return [], [str(error)]
    for name in settings.names(root):
        try:
            one = settings.read(root, name, listed)
            if one is not None:
                _check_schedule(one)
                _check_provider(one)
                found.append(one)
        except SettingsError as error:
            problems.append(str(error))
    return found, problems


def pipeline(root: Path, name: str) -> Pipeline:
    """Return a pipeline, for a DAG of its own. Raises SettingsError."""
    found = settings.read(root, name, settings.environments(root))
    if found is None:
        raise SettingsError(f"group_vars/{name}.yml has no key dag", fix="add it there")
    _check_schedule(found)
    _check_provider(found)
    return found


def new_dag(pipeline: Pipeline) -> Any:
    """Return a DAG without tasks."""
    dag = pipeline.dag
    # Of data intervals, in both versions: the date of a run is that of the day that its data is of.
    schedule: Any = CronDataIntervalTimetable(dag.schedule, timezone=dag.timezone) if dag.schedule else None
    if dag.schedule_assets:
        schedule = [Asset(uri) for uri in dag.schedule_assets]
    return DAG(
        dag_id=pipeline.name,
        schedule=schedule,
        start_date=pendulum.parse(dag.start_date, tz=dag.timezone),
        catchup=dag.catchup,
        max_active_runs=dag.max_active_runs,
        tags=["kiln", *dag.tags],
        params=_params(pipeline),
        default_args={
            "owner": dag.owner,
            "pool": dag.pool,
            "retries": dag.retries,
            "retry_delay": timedelta(seconds=dag.retry_delay_seconds),
            "execution_timeout": timedelta(seconds=dag.task_timeout_seconds),
        },
    )


def _check_schedule(pipeline: Pipeline) -> None:
    """Raise SettingsError for what is no cron expression. Airflow 3 itself reads it only much later."""
    text = pipeline.dag.schedule
    if text is None or text in _NAMED_SCHEDULES:
        return
    try:
        croniter(text)
    except (ValueError, KeyError) as error:  # CroniterError is a ValueError
        raise SettingsError(
            f"group_vars: pipeline {pipeline.name}: dag.schedule is {checks.shown(text)}: {error}",
            fix="correct dag.schedule there",
        ) from error


def _check_provider(pipeline: Pipeline) -> None:
    """Raise SettingsError for a wait that this Airflow has no operator of: its DAG only must be missing."""
    if not any("object" in row for row in pipeline.dag.wait_for) or _has_amazon():
        return
    raise SettingsError(
        f"group_vars: pipeline {pipeline.name}: dag.wait_for has an object, and this Airflow lacks the "
        "provider of Amazon",
        fix="install apache-airflow-providers-amazon for Airflow",
    )


def _has_amazon() -> bool:
    try:
        return importlib.util.find_spec("airflow.providers.amazon") is not None
    except ModuleNotFoundError:  # no provider at all
        return False


def _params(pipeline: Pipeline) -> dict[str, Any]:
    """Return what a person may choose for a run, with the checks that Airflow makes of it."""
    here = os.environ.get(_ENVIRONMENT_VARIABLE, "")
    environment = here if here in pipeline.environments else pipeline.dag.environment
    return {
        "environment": Param(
            environment, type="string", enum=list(pipeline.environments), description="Environment (ENV)."
        ),
        "terminate": Param(
            pipeline.dag.terminate,
            type="boolean",
            description="End the cluster. Without it the cluster is held for some time (kiln_hold_seconds).",
        ),
        "branch": Param(
            "",
            type="string",
            pattern=_BRANCH,
            description="Branch of the model repo; empty: the pipeline's own.",
        ),
        "date": Param(
            "", type="string", pattern=_DATE, description="The data's date, YYYY-MM-DD; empty: the run's own."
        ),
    }


def dag_of(pipeline: Pipeline) -> Any:
    """Return the whole DAG of a pipeline."""
    with new_dag(pipeline) as dag:
        tasks = Tasks(pipeline)
        preflight, launch = tasks.preflight(), tasks.launch()
        for sensor in tasks.sensors():
            sensor >> preflight
        preflight >> launch
        steps = {one.name: tasks.step(one.name) for one in pipeline.steps}
        for name, upstream in pipeline.upstream.items():
            ([steps[one] for one in upstream] or launch) >> steps[name]
        tasks.end(preflight, [one for one in (launch, *steps.values()) if not one.downstream_list])
    return dag
