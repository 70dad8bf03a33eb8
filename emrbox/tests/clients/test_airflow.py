"""Airflow's EMR operators, sensors and deferrable triggers, as released, by one DAG."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from emrbox.pytest_plugin import Account

BIN = Path(__file__).parents[3] / ".venvs/airflow/bin"
DAG = Path(__file__).parent / "airflow_dag.py"
TASKS = ("create", "modify", "add", "more", "watch", "end", "gone")


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's own database, made as its documentation says."""
    assert BIN.exists(), "Airflow is not installed: scripts/setup --tests"
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    shutil.copy(DAG, home / "dags")
    subprocess.run(
        [BIN / "airflow", "db", "migrate"], env=settings(home), check=True, capture_output=True, timeout=300
    )
    return home


def settings(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PYTHONWARNINGS": "ignore",
    }


def run(home: Path, mode: str) -> dict[str, Any]:
    result = subprocess.run(
        [BIN / "python", home / "dags" / DAG.name, mode],
        env=settings(home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stderr[-3000:] + result.stdout[-3000:]
    return {"log": result.stdout + result.stderr, **json.loads(lines[-1])}


@pytest.mark.parametrize(("mode", "nodes"), [("wait", "INSTANCE_GROUP"), ("defer", "INSTANCE_FLEET")])
def test_a_dag_of_every_emr_operator_succeeds(
    account: Account, airflow_home: Path, mode: str, nodes: str
) -> None:
    account.script_step("*", seconds=2)
    done = run(airflow_home, mode)
    assert done["run"] == "success", done["log"][-3000:]
    assert done["tasks"] == dict.fromkeys(TASKS, "success")
    emr = boto3.client("emr")
    [cluster] = emr.list_clusters()["Clusters"]
    assert cluster["Status"]["State"] == "TERMINATED"
    assert emr.describe_cluster(ClusterId=cluster["Id"])["Cluster"]["InstanceCollectionType"] == nodes
    steps = emr.list_steps(ClusterId=cluster["Id"])["Steps"]
    assert {s["Name"]: s["Status"]["State"] for s in steps} == dict.fromkeys(
        ("one", "two", "last"), "COMPLETED"
    )


def test_a_failed_step_fails_the_task_and_the_cluster_still_ends(
    account: Account, airflow_home: Path
) -> None:
    account.script_step("two", exit_code=1, message="java.lang.OutOfMemoryError")
    done = run(airflow_home, "defer")
    assert (done["tasks"]["add"], done["tasks"]["end"]) == ("failed", "success")
    [cluster] = boto3.client("emr").list_clusters()["Clusters"]
    assert cluster["Status"]["State"] == "TERMINATED"


@pytest.mark.slow
@pytest.mark.emrbox_nodes
def test_a_dag_runs_on_real_nodes(account: Account, airflow_home: Path) -> None:
    done = run(airflow_home, "defer")
    assert done["tasks"] == dict.fromkeys(TASKS, "success"), done["log"][-3000:]
    assert account.client("emr").list_clusters()["Clusters"][0]["Status"]["State"] == "TERMINATED"
