"""Measure what the DAGs of many pipelines cost Airflow at each parsing.

In turns, each in a new process of Airflow's environment: Kiln's factory, which makes DAGs of group_vars, and
one file that writes as many DAGs of BashOperators and sensors by hand. Airflow's own import, which its
processes make once, is not counted; what either file imports besides is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
# This file is what all of the pipelines have, under names of their own.
MODEL = "daily_transform"
WANTED = ("dags/pipelines.py", "src", "group_vars/local", f"group_vars/{MODEL}.yml", "inventory/local")

BY_HAND = """
from datetime import datetime
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset

for name in NAMES:
    with DAG(name, schedule="@daily", start_date=datetime(2026, 1, 1), catchup=True) as dag:
        last = S3KeySensor(task_id="object", bucket_key="s3://data/{{ ds }}/_SUCCESS", deferrable=True)
        for task in ("preflight", "launch", "transform", "check", "terminate", "verdict"):
            following = BashOperator(task_id=task, bash_command=f"/opt/run {task}", retries=1)
            last >> following
            last = following
        last.outlets = [Asset("data://daily")]
    globals()[name] = dag
"""
MEASURE = """
import json, runpy, sys, time
import airflow, airflow.sdk
from airflow.sdk import DAG
began, used = time.perf_counter(), time.process_time()
found = {one.dag_id: one for one in runpy.run_path(sys.argv[1]).values() if isinstance(one, DAG)}
taken = time.perf_counter() - began, time.process_time() - used
print(json.dumps([*taken, len(found), sum(len(one.tasks) for one in found.values())]))
"""


class Parsing(NamedTuple):
    """One parsing: seconds on the clock and of the processor, and how much there was to make."""

    seconds: float
    processor: float
    dags: int
    tasks: int


def write_pipelines(root: Path, names: list[str]) -> None:
    """Make a checkout with these pipelines."""
    for name in WANTED:
        source, target = CHECKOUT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    model = root / f"group_vars/{MODEL}.yml"
    text = model.read_text().replace("environment: prod", "environment: local")
    model.unlink()
    for name in names:
        (root / f"group_vars/{name}.yml").write_text(text.replace(MODEL, name))
    hosts = root / "inventory/local/hosts.yml"
    lines = hosts.read_text().splitlines()
    kept = [line for line in lines if line.strip() not in {f"{MODEL}: {{}}", "model_building: {}"}]
    at = next(number for number, line in enumerate(kept) if line.strip() == "pipelines:") + 2
    kept[at:at] = [f"            {name}: {{}}" for name in names]
    hosts.write_text("\n".join(kept) + "\n")


def parse(file: Path, home: Path) -> Parsing:
    """Import a file of DAGs in a new process."""
    python = CHECKOUT / ".venvs/local_airflow/bin/python"
    variables = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [python, "-c", MEASURE, file], check=True, capture_output=True, text=True, env=variables
    )
    return Parsing(*json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print one line each, medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pipelines", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    names = [f"pipeline_{number}" for number in range(chosen.pipelines)]
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        root = Path(folder)
        write_pipelines(root / "checkout", names)
        by_hand = root / "by_hand.py"
        by_hand.write_text(BY_HAND.replace("NAMES", repr(names)))
        files = {"Kiln's factory": root / "checkout/dags/pipelines.py", "written by hand": by_hand}
        found: dict[str, list[Parsing]] = {name: [] for name in files}
        for number in range(chosen.rounds + 1):
            for name, file in files.items():
                one = parse(file, root / "airflow")
                if one.dags != chosen.pipelines:
                    raise SystemExit(f"{name}: {one.dags} DAGs instead of {chosen.pipelines}")
                # The first round writes byte code.
                if number:
                    found[name].append(one)
    for name, rounds in found.items():
        seconds = statistics.median(one.seconds for one in rounds)
        processor = statistics.median(one.processor for one in rounds)
        one = rounds[0]
        print(
            f"{name:15}  {one.dags} DAGs, {one.tasks} tasks  {seconds:.2f} s, {processor:.2f} s of processor"
        )


if __name__ == "__main__":
    main()
