"""The typed model of the key `dag`, which src/kiln_airflow reads without Ansible; a test compares both."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from kiln.settings import names
from kiln.settings.fields import Model, doc

Line = Annotated[
    str, Meta(pattern=r"^[^\n{}]{1,200}\Z", title="text of one line without braces, at most 200 characters")
]
Tag = Annotated[
    str, Meta(pattern=r"^[^\n{}]{1,100}\Z", title="text of one line without braces, at most 100 characters")
]
AirflowId = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,200}\Z", title="an id of Airflow: letters, digits and _ . -")
]
DatedUri = Annotated[
    str,
    Meta(
        pattern=r"^s3://(?:[^/\n{}]|\{environment\})+/(?:[^\n{}]|\{date\}|\{environment\})+\Z",
        title="an address like s3://bucket/{date}/_SUCCESS",
    ),
]
AssetUri = Annotated[
    str,
    Meta(
        # Airflow's documentation, "Asset definitions": ASCII, and no scheme `airflow`.
        pattern=r"^(?!airflow:)[a-z][a-z0-9+.-]{0,30}://[!-z|~]{1,1000}\Z",
        title="an address like s3://bucket/table",
    ),
]
Name = Annotated[str, Meta(pattern=names.PATTERN, title=names.WORDS)]
Retries = Annotated[int, Meta(ge=0, le=100)]
DagSeconds = Annotated[int, Meta(ge=1, le=31_536_000)]


class WaitFor(Model, frozen=True, kw_only=True):
    """What a DAG waits for before it begins: another DAG or a task of it, or an object in S3."""

    dag: Annotated[AirflowId | None, doc("Id of another DAG, which has to succeed.")] = None
    task: Annotated[AirflowId | None, doc("A task of it; without one the whole run of that DAG.")] = None
    hours_before: Annotated[
        int, Meta(ge=0, le=8760), doc("By how many hours that run's logical date is before this one's.")
    ] = 0
    object: Annotated[
        DatedUri | None,
        doc(
            "Object in S3, s3://bucket/key; {date} is the data's date, {environment} the run's environment, "
            "* and ? are those of a shell."
        ),
    ] = None
    connection: Annotated[AirflowId, doc("Airflow's connection to that account.")] = "aws_default"


class Dag(Model, frozen=True, kw_only=True):
    """The pipeline's DAG in Airflow. src/kiln_airflow reads the same key without Ansible: literals only."""

    environment: Annotated[Name, doc("The environment that the DAG offers first (param `environment`).")]
    schedule: Annotated[
        Line | None,
        doc(
            "Cron expression; null: only on request. A run begins when its interval ends; its date is "
            "that of the interval's beginning."
        ),
    ] = None
    schedule_assets: Annotated[
        tuple[AssetUri, ...],
        doc(
            "Assets (in Airflow 2: datasets). A run begins when all of them have been updated, in place of a "
            "schedule; its date is that of the day on which it begins."
        ),
    ] = ()
    assets: Annotated[
        tuple[AssetUri, ...], doc("Assets that a run has updated when all of it has succeeded.")
    ] = ()
    start_date: Annotated[date, doc("The first interval begins here, YYYY-MM-DD.")] = date(2026, 1, 1)
    timezone: Annotated[Line, doc("Time zone of schedule and dates, such as Europe/Berlin.")] = "UTC"
    catchup: Annotated[bool, doc("Run intervals that have passed since start_date, too.")] = False
    max_active_runs: Annotated[
        int, Meta(ge=1, le=1000), doc("How many runs of the DAG may be active at once.")
    ] = 1
    pool: Annotated[
        AirflowId,
        doc("Airflow's pool for preflight, launch and steps; waits and terminate take none of its slots."),
    ] = "default_pool"
    retries: Annotated[Retries, doc("Further tries of a task that failed.")] = 1
    retry_delay_seconds: Annotated[DagSeconds, doc("Pause before a further try.")] = 300
    terminate_retries: Annotated[Retries, doc("Further tries of the task that ends the cluster.")] = 3
    task_timeout_seconds: Annotated[
        DagSeconds, doc("Airflow ends a task after this time; Kiln's own deadlines should come first.")
    ] = 36_000
    wait_for_previous: Annotated[
        Literal["ended", "succeeded", "no"], doc("Wait until the DAG's previous run has ended, or succeeded.")
    ] = "ended"
    wait_for: Annotated[tuple[WaitFor, ...], doc("What a run waits for besides.")] = ()
    wait_timeout_seconds: Annotated[DagSeconds, doc("How long a wait may take before it fails.")] = 86_400
    if_running: Annotated[Literal["fail", "skip", "wait"], doc("`--if-running` of the launch.")] = "fail"
    if_no_cluster: Annotated[
        Literal["launch", "fail"],
        doc("A step that is tried again or cleared when its cluster has ended: launch one first, or fail."),
    ] = "launch"
    if_complete: Annotated[
        Literal["succeed", "skip"],
        doc(
            "A step that is complete when its task begins, and was not cleared: the task succeeds, or is "
            "skipped, and with it the tasks after it."
        ),
    ] = "succeed"
    terminate: Annotated[bool, doc("The param `terminate` as it is offered first.")] = True
    deferrable: Annotated[bool, doc("Steps wait in Airflow's triggerer and hold no slot of a worker.")] = (
        False
    )
    poll_interval_seconds: Annotated[DagSeconds, doc("Pause between two checks of a wait.")] = 30
    owner: Annotated[Line, doc("Owner of the tasks, as Airflow shows it.")] = "kiln"
    tags: Annotated[tuple[Tag, ...], doc("Tags of the DAG besides `kiln`.")] = ()
