"""A real cluster that several runs of a pipeline share: for tests, and bench/measure_shared_cluster.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from local_world import CHECKOUT, HANG_SECONDS, clean_environment, finished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_world import World

BUCKET, FOLDER = "kiln-local-data", "shared_jobs"
# Nodes share one small machine.
SMALL = {"spark.executor.instances": 1, "spark.driver.memory": "512m", "spark.executor.memory": "512m"}
NOTHING_ON_NODES = {
    "model_repo_url": "",
    "emr_node_python_requirements": "",
    "emr_node_os_packages": [],
    "node_secrets_values": {},
    # The cluster itself is of a run of the same pipeline.
    "kiln_parallel_runs": 0,
}


class Hub:
    """The shared cluster: launched when it is needed and there is none. `script` is what its jobs run.

    Each driver is as on a worker of its own, below the folder `workers`: on one they would share a part of
    EMR's quotas, and wait for each other longer than for the cluster.
    """

    def __init__(self, world: World, script: str, workers: Path) -> None:
        self.world, self._workers = world, workers
        self.s3, self.emr = world.session.client("s3"), world.session.client("emr")
        self.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/job.py", Body=script.encode())
        self._run_id = ""
        self._drivers: list[subprocess.Popen[str]] = []

    def cluster_id(self) -> str:
        if not self._run_id:
            self._run_id = f"hub-{uuid4().hex[:8]}"
            extra = {
                "emr_cluster_tags": {"kiln_shared_with": "local", "purpose": self._run_id},
                "emr_cluster_core_count": 1,
                "emr_cluster_step_concurrency_level": 5,
                "steps": [],
            }
            launched = self._kiln("launch", self._run_id, NOTHING_ON_NODES | extra)
            assert launched.code == 0, launched.said
        return str(self.world.cluster_of(self._run_id)["Id"])

    def end(self) -> None:
        if self._run_id:
            ended = self._kiln("terminate", self._run_id, {})
            assert ended.code == 0, ended.said
        self._run_id = ""

    def leave_nothing_running(self) -> None:
        """Kill the drivers that a failed test has left, and end the cluster that their steps occupy."""
        left = [one for one in self._drivers if one.poll() is None]
        self._drivers = []
        for one in left:
            os.killpg(one.pid, signal.SIGKILL)
            finished(one)
        if left:
            self.end()

    def _kiln(self, action: str, run_id: str, extra: dict[str, Any]) -> Any:
        given = ("-e", json.dumps(extra)) if extra else ()
        return self.world.kiln("run", "model_building", action, "--env", "local", "--run-id", run_id, *given)

    def start(self, run_id: str, step: dict[str, Any], *actions: str, **more: Any) -> subprocess.Popen[str]:
        """Begin a run of one step on the cluster: the whole of it, or some actions."""
        self.cluster_id()
        extra = {"emr_cluster_existing": {"tags": {"purpose": self._run_id}}, "steps": [step], **more}
        given = ("-e", json.dumps(NOTHING_ON_NODES | extra))
        run = ("run", "model_building", *actions, "--env", "local", "--run-id", run_id)
        driver = self.world.start_kiln(*run, *given, worker=self._workers / run_id)
        self._drivers.append(driver)
        return driver

    def steps(self, run_id: str) -> list[tuple[str, str]]:
        """Return names and states of a run's steps as EMR has them."""
        found = self.emr.list_steps(ClusterId=self.cluster_id())["Steps"]
        return [(one["Name"], one["Status"]["State"]) for one in found if f"/{run_id})" in one["Name"]]

    def mark(self, run_id: str, marker: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{run_id}.{marker}", Body=b"1")

    def is_marked(self, run_id: str, marker: str) -> bool:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{FOLDER}/{run_id}.{marker}")
        return bool(listed["KeyCount"])

    def applications(self) -> list[str]:
        """Return the states of all YARN applications, sorted."""
        words = ("ssh", "model_building", "--env", "local", "--run-id", self._run_id, "--")
        listing = subprocess.run(
            [CHECKOUT / "scripts/kiln", *words, "yarn", "application", "-list", "-appStates", "ALL"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=HANG_SECONDS,
        )
        rows = [line.split("\t") for line in listing.stdout.splitlines() if line.startswith("application_")]
        return sorted(row[5].strip() for row in rows)


def job(run_id: str, count: int = 10) -> dict[str, Any]:
    script = f"s3://{BUCKET}/{FOLDER}/job.py"
    return {"name": "main", "spark": {"script": script, "conf": SMALL, "args": [run_id, str(count)]}}


def run_ids(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}-{uuid4().hex[:8]}" for name in names)


def until(what: Callable[[], bool], *children: subprocess.Popen[str]) -> None:
    ends_at = time.monotonic() + HANG_SECONDS
    while not what():
        assert time.monotonic() < ends_at
        for child in children:
            assert child.poll() is None, finished(child).said
        time.sleep(0.2)  # between two questions to AWS
