"""Several runs on one real cluster that none of them owns: their ends, and their logs as they are written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from local_world import CHECKOUT, HANG_SECONDS, clean_environment, finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_world import World

BUCKET, FOLDER = "kiln-local-data", "shared_jobs"
CANCELLED, INTERRUPTED_BY_TERM = 15, 143
LINES = 100_000
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
# Prints half of the lines, waits for an object, prints the rest, says so, and goes on until it is ended.
JOB = f"""
import sys, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
name, count = sys.argv[1], int(sys.argv[2])
hadoop = spark._jvm.org.apache.hadoop.fs

def place(marker):
    path = hadoop.Path("s3://{BUCKET}/{FOLDER}/" + name + "." + marker)
    return path, path.getFileSystem(spark._jsc.hadoopConfiguration())

def wait_for(marker):
    path, files = place(marker)
    while not files.exists(path):
        time.sleep(0.5)

def tell(marker):
    path, files = place(marker)
    files.create(path).close()

for number in range(count // 2):
    print("line", number, flush=number == 0)
sys.stdout.flush()
tell("half")
wait_for("go")
for number in range(count // 2, count):
    print("line", number)
sys.stdout.flush()
tell("all")
wait_for("end")
"""


class Hub:
    """The shared cluster: launched when a test needs it and there is none."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.s3, self.emr = world.session.client("s3"), world.session.client("emr")
        self.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/lines.py", Body=JOB.encode())
        self._run_id = ""

    def cluster_id(self) -> str:
        if not self._run_id:
            self._run_id = f"hub-{uuid4().hex[:8]}"
            extra = {
                "emr_cluster_tags": {"kiln_shared_with": "local", "purpose": self._run_id},
                "emr_cluster_core_count": 1,
                "emr_cluster_step_concurrency_level": 4,
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

    def _kiln(self, action: str, run_id: str, extra: dict[str, Any]) -> Any:
        given = ("-e", json.dumps(extra)) if extra else ()
        return self.world.kiln("run", "model_building", action, "--env", "local", "--run-id", run_id, *given)

    def start(self, run_id: str, step: dict[str, Any]) -> subprocess.Popen[str]:
        """Begin a whole run of one step on the cluster."""
        self.cluster_id()
        extra = {"emr_cluster_existing": {"tags": {"purpose": self._run_id}}, "steps": [step]}
        given = ("-e", json.dumps(NOTHING_ON_NODES | extra))
        return self.world.start_kiln("run", "model_building", "--env", "local", "--run-id", run_id, *given)

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
    script = f"s3://{BUCKET}/{FOLDER}/lines.py"
    return {"name": "main", "spark": {"script": script, "conf": SMALL, "args": [run_id, str(count)]}}


def until(what: Callable[[], bool], *children: subprocess.Popen[str]) -> None:
    ends_at = time.monotonic() + HANG_SECONDS
    while not what():
        assert time.monotonic() < ends_at
        for child in children:
            assert child.poll() is None, finished(child).said
        time.sleep(0.2)  # between two questions to AWS


@pytest.fixture(scope="module")
def the_hub(world: World) -> Iterator[Hub]:
    made = Hub(world)
    yield made
    made.end()


@pytest.fixture
def hub(the_hub: Hub) -> Hub:
    the_hub.cluster_id()
    return the_hub


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> None:
    """The cluster lives as long as the module; `the_hub` ends it."""


def run_ids(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}-{uuid4().hex[:8]}" for name in names)


def cancel(hub: Hub, run_id: str, driver: subprocess.Popen[str]) -> int:
    done = hub.world.kiln("cancel", "model_building", "--env", "local", "--run-id", run_id, "-o", "json")
    assert done.code == 0, done.said
    return finished(driver).code


def send_sigterm(_: Hub, __: str, driver: subprocess.Popen[str]) -> int:
    driver.terminate()
    return finished(driver).code


def terminate(hub: Hub, run_id: str, driver: subprocess.Popen[str]) -> int:
    """Kill the driver, which can do nothing any more, and run the action."""
    os.killpg(driver.pid, signal.SIGKILL)
    finished(driver)
    done = hub.world.kiln("run", "model_building", "terminate", "--env", "local", "--run-id", run_id)
    assert done.code == 0, done.said
    return driver.returncode


def terminate_by_hand(hub: Hub, run_id: str, driver: subprocess.Popen[str]) -> int:
    os.killpg(driver.pid, signal.SIGKILL)
    finished(driver)
    done = hub.world.playbook("terminate", "-e", "pipeline=model_building", "-e", f"run_id={run_id}")
    assert done.returncode == 0, done.stdout + done.stderr
    return driver.returncode


STOPS = {
    cancel: CANCELLED,
    send_sigterm: INTERRUPTED_BY_TERM,
    terminate: -signal.SIGKILL,
    terminate_by_hand: -signal.SIGKILL,
}


def test_whatever_stops_a_run_takes_its_application_with_it_and_its_neighbour_finishes(hub: Hub) -> None:
    (neighbour,) = run_ids("neighbour")
    second = hub.start(neighbour, job(neighbour))
    for stop, code in STOPS.items():
        (stopped,) = run_ids("stopped")
        first = hub.start(stopped, job(stopped))
        until(partial(hub.is_marked, stopped, "half"), first, second)
        assert stop(hub, stopped, first) == code
        assert hub.steps(stopped) == [(f"main (local/model_building/{stopped})", "CANCELLED")]
    until(lambda: hub.is_marked(neighbour, "half"), second)
    assert hub.steps(neighbour) == [(f"main (local/model_building/{neighbour})", "RUNNING")]
    assert hub.applications() == [*(["KILLED"] * len(STOPS)), "RUNNING"]
    hub.mark(neighbour, "go")
    hub.mark(neighbour, "end")
    assert finished(second).code == 0
    assert hub.steps(neighbour) == [(f"main (local/model_building/{neighbour})", "COMPLETED")]
    assert hub.emr.describe_cluster(ClusterId=hub.cluster_id())["Cluster"]["Status"]["State"] == "WAITING"


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for file in found for word in file.read_text().split()]


def test_every_line_is_shown_once_through_a_cut_connection_and_the_end_of_the_cluster(
    hub: Hub, tmp_path: Path
) -> None:
    (run_id,) = run_ids("lines")
    driver = hub.start(run_id, job(run_id, LINES))
    until(lambda: any(state == "RUNNING" for _, state in hub.steps(run_id)), driver)
    shown, said = tmp_path / "shown", tmp_path / "said"
    with shown.open("wb") as out, said.open("wb") as err:
        follower = subprocess.Popen(
            [CHECKOUT / "scripts/kiln", "logs", "-f", "model_building", "--env", "local", "--run-id", run_id],
            env=clean_environment(),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    until(lambda: b"line 100\n" in shown.read_bytes(), driver)
    for pid in children_of(follower.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: f"line {LINES // 2 - 1}\n".encode() in shown.read_bytes(), driver)
    # What is written now is on no node any more when the follower reads on.
    os.kill(follower.pid, signal.SIGSTOP)
    hub.mark(run_id, "go")
    until(lambda: hub.is_marked(run_id, "all"), driver)
    hub.end()
    os.kill(follower.pid, signal.SIGCONT)
    assert follower.wait(HANG_SECONDS) == 0, said.read_text()
    finished(driver)
    lines = [line for line in shown.read_text().splitlines() if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(LINES)]
    assert "going on where it stopped" in said.read_text()
    assert "reading on in S3" in said.read_text()
