"""Run by Airflow's own Python: makes the DAGs of a checkout and runs those that are asked for. Prints JSON.

python run_dags.py CHECKOUT {"pipeline": {"param": "value"}, …}
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

# What importing it read and started: seen by an audit hook, before anything of Kiln's is imported.
SEEN: dict[str, list[str]] = {"open": [], "subprocess.Popen": [], "socket.connect": []}


def audit(event: str, arguments: Any) -> None:
    """Write down the files, programs and addresses that the process asks the system for."""
    if event in SEEN and (event != "open" or isinstance(arguments[0], str)):
        SEEN[event].append(str(arguments[0]))


def value(one: Any) -> str:
    """Return the text of an enum."""
    return str(getattr(one, "value", one))


def described(dag: Any) -> dict[str, Any]:
    """Return what the tests compare."""
    tasks = {
        task.task_id: {
            "upstream": sorted(task.upstream_task_ids),
            "rule": value(task.trigger_rule),
            "pool": task.pool,
            "retries": task.retries,
            "command": getattr(task, "bash_command", None),
            "key": getattr(task, "bucket_key", None),
            "setup": task.is_setup,
            "teardown": task.is_teardown,
        }
        for task in dag.tasks
    }
    params = {name: dag.params.get_param(name).schema | {"value": dag.params[name]} for name in dag.params}
    timetable = dag.timetable
    # A condition of assets (of datasets in Airflow 2.11); other timetables have one without any.
    condition = getattr(timetable, "asset_condition", None) or getattr(timetable, "dataset_condition", None)
    return {
        "tasks": tasks,
        "params": params,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "outlets": {task.task_id: [one.uri for one in task.outlets] for task in dag.tasks if task.outlets},
        "begins_with": sorted(one.uri for one in getattr(condition, "objects", ())),
    }


def ran(dag: Any, conf: dict[str, Any]) -> dict[str, Any]:
    """Run a DAG; return the states of the run and of its tasks, and the XCom of the step sd."""
    try:
        run = dag.test(run_conf=conf)
    except Exception as error:  # noqa: BLE001  # params that Airflow refuses
        return {"error": str(error)}
    instances = run.get_task_instances()
    states = {one.task_id: value(one.state) for one in instances}
    xcom = next((one.xcom_pull(task_ids="sd") for one in instances if one.task_id == "sd"), None)
    return {"run": value(run.state), "tasks": states, "xcom": xcom}


def main() -> None:
    checkout, runs = Path(sys.argv[1]), json.loads(sys.argv[2])
    sys.path[:0] = [str(checkout / "dags"), str(checkout / "src")]
    import kiln_airflow.factory  # noqa: PLC0415  # Airflow itself reads files when it is imported

    sys.addaudithook(audit)
    pipelines = importlib.import_module("pipelines")

    seen = {name: list(values) for name, values in SEEN.items()}
    _, problems = kiln_airflow.factory.pipelines(checkout)
    try:
        module = importlib.import_module("airflow.dag_processing.dagbag")
    except ImportError:  # Airflow 2.11
        module = importlib.import_module("airflow.models.dagbag")
    dagbag = module.DagBag(str(checkout / "dags"))
    answer = {
        "dags": {name: described(dag) for name, dag in pipelines.made.items()},
        "problems": problems,
        "seen": seen,
        "import_errors": dagbag.import_errors,
        "in_folder": sorted(dagbag.dags),
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
        "runs": {name: ran(pipelines.made[name], conf) for name, conf in runs.items()},
    }
    print("\n" + json.dumps(answer))  # noqa: T201  # the test reads it


if __name__ == "__main__":
    main()
