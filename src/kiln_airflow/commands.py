"""The commands of tasks, as constants. Values only come as variables, so that none is ever read as shell.

`_VALUES` are templates of Airflow's, constants too: a param that looks like a template is not evaluated,
because Airflow renders each field once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Airflow's own configuration, connections and variables, which may hold passwords and keys.
_AIRFLOWS_OWN = ("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_")

_CALL = 'exec "$KILN_SCRIPT" run "$KILN_PIPELINE" "$KILN_ACTIONS" --env="$KILN_ENV" --output=json'
_DATA = ' --date="$KILN_DATE" ${KILN_BRANCH:+--branch="$KILN_BRANCH"}'

PREFLIGHT = _CALL + _DATA
# After the loss of a worker its command may still be at work: the next try waits for that one, and attaches.
LAUNCH = _CALL + _DATA + ' --if-running="$KILN_IF_RUNNING" --wait-for-driver'
STEP = (
    _CALL + _DATA + ' --if-running="$KILN_IF_RUNNING" --wait-for-driver'
    ' --if-no-cluster="$KILN_IF_NO_CLUSTER" --if-complete="$KILN_IF_COMPLETE"'
    ' ${KILN_AGAIN:+--again-once="$KILN_AGAIN"} ${KILN_NO_WAIT:+--no-wait} ${KILN_NO_ADD:+--no-add}'
)
# With terminate switched off the cluster is held, and the task is skipped (99). 18: there is none.
TERMINATE = f"""\
if [[ $KILN_TERMINATE == false ]]; then
    "$KILN_SCRIPT" hold "$KILN_PIPELINE" --env="$KILN_ENV" --output=json
    code=$?
    ((code == 0 || code == 18)) && code=99
    exit "$code"
fi
{_CALL}"""

# The date of a run that was triggered without a logical date (Airflow 3) is that of its trigger.
_OF_RUN = "(dag_run.logical_date or dag_run.run_after).astimezone(dag.timezone) | ds"
DATE = "{{ params.date or (" + _OF_RUN + ") }}"
ENVIRONMENT = "{{ params.environment }}"
_VALUES = {
    "KILN_ENV": ENVIRONMENT,
    "KILN_DATE": DATE,
    "KILN_BRANCH": "{{ params.branch }}",
    "KILN_TERMINATE": "{{ params.terminate | lower }}",
    # How many tries the task has in all; AIRFLOW_CTX_TRY_NUMBER is the present one.
    "KILN_TASK_TRIES": "{{ ti.max_tries + 1 }}",
    "KILN_LOG_URL": "{{ ti.log_url }}",
    # A task that was cleared gets new tries: the number of the first of them names the request to run again.
    "KILN_AGAIN": "{{ ti.max_tries - task.retries + 1 if ti.max_tries > task.retries else '' }}",
}


def environment(root: Path, pipeline: str, actions: str, **more: str) -> dict[str, str]:
    """Return the variables of a task; `more` are further ones, without their prefix and in small letters."""
    own = {"KILN_SCRIPT": str(root / "scripts/kiln"), "KILN_PIPELINE": pipeline, "KILN_ACTIONS": actions}
    return own | _VALUES | {f"KILN_{name.upper()}": value for name, value in more.items()}


def without_airflows_own(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that is not Airflow's, without what only Airflow needs."""
    return {name: value for name, value in variables.items() if not name.startswith(_AIRFLOWS_OWN)}
