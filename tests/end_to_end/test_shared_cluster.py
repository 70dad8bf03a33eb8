"""Several runs on one real cluster that none of them owns: their ends, and their logs as they are written."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile import often
from hub import BUCKET, FOLDER, Hub, job, run_ids, until
from local_world import CHECKOUT, HANG_SECONDS, clean_environment, finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_world import World

CANCELLED, LATE, INTERRUPTED_BY_TERM = 15, 16, 143
DEADLINE_SECONDS = 20
LINES = 100_000
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


@pytest.fixture(scope="module")
def the_hub(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(world, JOB, tmp_path_factory.mktemp("workers"))
    yield made
    made.end()


@pytest.fixture
def hub(the_hub: Hub) -> Iterator[Hub]:
    the_hub.cluster_id()
    yield the_hub
    the_hub.leave_nothing_running()


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> None:
    """The cluster lives as long as the module; `the_hub` ends it."""


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


def reach_the_deadline(hub: Hub, run_id: str, driver: subprocess.Popen[str]) -> int:
    """Kill the driver, and run the step's action again with a deadline that the step cannot keep."""
    os.killpg(driver.pid, signal.SIGKILL)
    finished(driver)
    late = finished(hub.start(run_id, job(run_id), "main", kiln_run_timeout_seconds=DEADLINE_SECONDS))
    assert f"the run took longer than {DEADLINE_SECONDS} s: step main" in late.said, late.said
    return late.code


ALL_STOPS = {
    cancel: CANCELLED,
    terminate: -signal.SIGKILL,
    reach_the_deadline: LATE,
    send_sigterm: INTERRUPTED_BY_TERM,
    terminate_by_hand: -signal.SIGKILL,
}
# Each takes half a minute; the soak tries them all.
STOPS = dict(list(ALL_STOPS.items())[: often(2, len(ALL_STOPS))])


def test_whatever_stops_a_run_takes_its_application_with_it_and_its_neighbour_finishes(hub: Hub) -> None:
    (neighbour,) = run_ids("neighbour")
    group = f"/kiln/local/{neighbour}"
    cloudwatch = hub.world.session.client("logs")
    cloudwatch.create_log_group(logGroupName=group)
    second = hub.start(neighbour, job(neighbour), kiln_cloudwatch_logs={"group": group})
    until(lambda: hub.is_marked(neighbour, "half"), second)
    # YARN has room for one of them at a time beside the neighbour.
    drivers = {run_id: hub.start(run_id, job(run_id)) for run_id in run_ids(*(["stopped"] * len(STOPS)))}

    def working() -> str:
        return next((run_id for run_id in drivers if hub.is_marked(run_id, "half")), "")

    for stop, code in STOPS.items():
        until(lambda: bool(working()), second, *drivers.values())
        run_id = working()
        assert stop(hub, run_id, drivers.pop(run_id)) == code
        assert hub.steps(run_id) == [(f"main (local/model_building/{run_id})", "CANCELLED")]
    assert hub.steps(neighbour) == [(f"main (local/model_building/{neighbour})", "RUNNING")]
    assert hub.applications() == [*(["KILLED"] * len(STOPS)), "RUNNING"]
    hub.mark(neighbour, "go")
    hub.mark(neighbour, "end")
    ended = finished(second)
    assert (ended.code, "CloudWatch" in ended.said) == (0, False), ended.said
    sent = cloudwatch.get_log_events(
        logGroupName=group, logStreamName=f"model_building/{neighbour}", startFromHead=True
    )
    messages = [one["message"] for one in sent["events"]]
    assert [one for one in messages if one.startswith("main stdout")] == [
        f"main stdout | line {n}" for n in range(10)
    ]
    assert any("Submitted application" in one for one in messages)
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
