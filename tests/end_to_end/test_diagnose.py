"""What users do wrong, as steps of one real cluster: the first line names the cause, also after its end."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import yaml
from hostile import often
from local_world import CHECKOUT, HANG_SECONDS, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from local_world import Finished, World

# Most of a step's time is spent waiting: for its start, its container, its end, its logs.
AT_ONCE = 3
RUN = f"faults-{uuid4().hex[:8]}"
STEP_FAILED = 14
BUCKET, FOLDER = "kiln-local-data", "faulty_jobs"
PRIVATE = "kiln-private"
# Three nodes share one small machine.
SMALL = [
    "--num-executors",
    "1",
    "--executor-cores",
    "1",
    "--driver-memory",
    "512m",
    "--executor-memory",
    "512m",
]
SESSION = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n"

FILES: dict[str, bytes] = {
    "out_of_memory.py": f"""{SESSION}
spark.conf.set("spark.sql.shuffle.partitions", "1")
rows = spark.range(0, 8_000_000).selectExpr("id", "repeat(cast(id as string), 40) as text").collect()
""".encode(),
    "missing_module.py": b"import pandas\n",
    "access_denied.py": f"""{SESSION}
spark.read.text("s3://{PRIVATE}/salaries.txt").show()
""".encode(),
    "exception.py": b"""
def check(rows):
    if not rows:
        raise ValueError("no messages for this date")
check([])
""",
    "bad.jar": b"this is no jar\n",
    "killed.py": b"""
import os, signal
print("reading 12 GB", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""",
    "talking.py": f"""{SESSION}
stop = spark._jvm.org.apache.hadoop.fs.Path("s3://{BUCKET}/{FOLDER}/stop")
files = stop.getFileSystem(spark._jsc.hadoopConfiguration())
print("the driver says: not yet", flush=True)
while not files.exists(stop):
    pass
print("the driver has stopped", flush=True)
""".encode(),
    "exit.py": f"""{SESSION}
import sys
print("no rows for this date")
sys.exit(7)
""".encode(),
}


def submit(file: str, *options: str, mode: str = "cluster") -> list[str]:
    return ["spark-submit", *SMALL, "--deploy-mode", mode, *options, f"s3://{BUCKET}/{FOLDER}/{file}"]


@dataclass(frozen=True)
class Fault:
    """What a step runs, and how its cause is called: kind, first line, something that the lines have."""

    args: list[str]
    kind: str
    headline: str
    line: str


ALL_FAULTS = {
    "out_of_memory": Fault(
        [*submit("out_of_memory.py", "--conf", "spark.driver.maxResultSize=0")],
        "driver_memory",
        "the driver ran out of memory: java.lang.OutOfMemoryError: Java heap space",
        "out_of_memory.py",
    ),
    "missing_module": Fault(
        submit("missing_module.py"),
        "missing_module",
        "ModuleNotFoundError: No module named 'pandas'",
        "import pandas",
    ),
    "access_denied": Fault(
        submit("access_denied.py"),
        "access_denied",
        "access denied: getFileStatus (s3:GetObject or s3:ListBucket) on s3://kiln-private/salaries.txt, "
        "with the instance profile EMR_EC2_DefaultRole",
        "AccessDeniedException",
    ),
    "exception": Fault(
        submit("exception.py"),
        "python_exception",
        "ValueError: no messages for this date",
        'File "exception.py", line 4, in check',
    ),
    "bad_jar": Fault(
        submit("bad.jar", "--class", "com.example.Main"),
        "missing_class",
        "ClassNotFoundException: the class com.example.Main is not in the jars",
        "ClassNotFoundException: com.example.Main",
    ),
    "script": Fault(
        ["bash", "-c", "echo loading; echo 'no space for the index' >&2; exit 9"],
        "exit_code",
        "exited with status 9: no space for the index",
        "exited with status 9",
    ),
    "killed": Fault(
        submit("killed.py"),
        "killed",
        "exited with status 137 (killed by SIGKILL: often for lack of memory)",
        "reading 12 GB",
    ),
    "exit": Fault(
        submit("exit.py", mode="client"),
        "exit_code",
        "exited with status 7: no rows for this date",
        "exited with status 7",
    ),
}


# The last two cost as much as the five that users meet most: `make soak` has them too.
FAULTS = dict(list(ALL_FAULTS.items())[: often(6, 8)])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file for -e: a cluster without a Python environment of its own, and the steps."""
    args = {name: fault.args for name, fault in FAULTS.items()} | {"talking": submit("talking.py")}
    shape = {"emr_node_python_requirements": "", "emr_cluster_step_concurrency_level": AT_ONCE}
    steps = [
        {"name": name, "jar": "command-runner.jar", "args": words, "action_on_failure": "CONTINUE"}
        for name, words in args.items()
    ]
    file = tmp_path_factory.mktemp("settings") / "faults.yml"
    file.write_text(yaml.safe_dump(shape | {"steps": steps}))
    return file


@dataclass(frozen=True)
class Seen:
    """What was shown of a failed step: by `kiln run`, by `kiln diagnose`, and after the cluster's end."""

    finished: Finished
    live: list[str]
    stored: list[str]


@dataclass(frozen=True)
class Walk:
    """What one cluster has shown of all faults, and of a step that was followed."""

    world: World
    faults: dict[str, Seen]
    followed: list[str]


@pytest.fixture(scope="module")
def walk(world: World, settings: Path) -> Walk:
    s3 = world.session.client("s3")
    s3.create_bucket(Bucket=PRIVATE)
    s3.put_object(Bucket=PRIVATE, Key="salaries.txt", Body=b"a,1\n")
    for name, body in FILES.items():
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}", Body=body)
    launched = action(world, "launch", settings)
    assert launched.code == 0, launched.said
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            following = pool.submit(follow, world, settings)
            running = {name: pool.submit(run_and_diagnose, world, name, settings) for name in FAULTS}
            ran = {name: one.result() for name, one in running.items()}
            followed = following.result()
        finally:
            ended = action(world, "terminate", settings)
        assert ended.code == 0, ended.said
        stored = dict(zip(FAULTS, pool.map(diagnosed, FAULTS), strict=True))
    faults = {name: Seen(finished, live, stored[name]) for name, (finished, live) in ran.items()}
    return Walk(world, faults, followed)


def run_and_diagnose(world: World, name: str, settings: Path) -> tuple[Finished, list[str]]:
    return action(world, name, settings), diagnosed(name)


def follow(world: World, settings: Path) -> list[str]:
    """Follow a step until its driver has printed something, let it end, and return all that was shown."""
    run = ("--env", "local", "--run-id", RUN)
    running = world.start_kiln("run", "model_building", "talking", *run, "-e", f"@{settings}")
    while True:
        following = world.start_kiln("logs", "model_building", *run, "--step", "talking", "-f")
        assert following.stdout is not None
        lines = []
        for line in following.stdout:
            if line.startswith("the driver says"):
                world.session.client("s3").put_object(Bucket=BUCKET, Key=f"{FOLDER}/stop", Body=b"")
            lines.append(line)
        _, said = following.communicate(timeout=HANG_SECONDS)
        if following.returncode == 0:
            running.communicate(timeout=HANG_SECONDS)
            return [*lines, said]
        # The step has not been added yet.
        assert "has no step talking" in said, said


def action(world: World, name: str, settings: Path) -> Finished:
    run = ("run", "model_building", name, "--env", "local", "--run-id", RUN)
    return world.kiln(*run, "-e", f"@{settings}")


def diagnosed(step: str) -> list[str]:
    """Return what `kiln diagnose` prints about a step for people."""
    command = ["diagnose", "model_building", "--env", "local", "--run-id", RUN, "--step", step]
    shown = subprocess.run(
        [CHECKOUT / "scripts/kiln", *command],
        env=clean_environment(),
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    return shown.stdout.splitlines()


@pytest.mark.parametrize("name", FAULTS)
def test_a_failed_step_has_its_cause_in_the_first_line(walk: Walk, name: str) -> None:
    fault, finished = FAULTS[name], walk.faults[name].finished
    assert finished.code == STEP_FAILED, finished.said
    (step,) = finished.result["steps"]
    assert finished.result["message"] == f"step {name} ({step['id']}) failed: {fault.headline}"
    cause = finished.result["cause"]
    assert (cause["kind"], cause["headline"]) == (fault.kind, fault.headline)
    assert cause["advice"] in finished.result["fix"]
    assert f"failed: {fault.headline}" in finished.said


@pytest.mark.parametrize("name", FAULTS)
def test_diagnose_has_the_cause_in_its_first_line_while_the_cluster_lives(walk: Walk, name: str) -> None:
    first, *more = walk.faults[name].live
    assert first == FAULTS[name].headline, more
    assert any(FAULTS[name].line in line for line in more), more
    assert not any("(from s3://" in line for line in more), more


@pytest.mark.parametrize("name", FAULTS)
def test_diagnose_has_the_cause_in_its_first_line_after_the_end_of_the_cluster(walk: Walk, name: str) -> None:
    first, *more = walk.faults[name].stored
    assert first == FAULTS[name].headline, more
    assert any(FAULTS[name].line in line for line in more), more
    assert any("(from s3://kiln-local-logs/emr/" in line for line in more), more


def test_a_followed_step_shows_what_its_driver_prints_in_its_container(walk: Walk) -> None:
    assert "the driver has stopped\n" in walk.followed
    assert "step talking: COMPLETED" in walk.followed[-1]


def test_a_try_is_chosen_by_its_number(walk: Walk) -> None:
    step = ("diagnose", "model_building", "--env", "local", "--run-id", RUN, "--step", "script", "-o", "json")
    first = walk.world.kiln(*step, "--try", "1")
    assert first.result["step"] == "script", first.said
    second = walk.world.kiln(*step, "--try", "2")
    assert second.code != 0
    assert "has 1 tries of step script, not 2" in second.said
