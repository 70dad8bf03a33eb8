"""daily_transform on a real cluster: job, check, table, and the line about what fails; a job in Java."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow.parquet as pq
from hostile import often
from hub import until
from local_world import CHECKOUT, DATE

if TYPE_CHECKING:
    from pathlib import Path

    from local_world import Finished, World

DAILY, KEPT = (f"{name}-{uuid4().hex[:8]}" for name in ("daily", "kept"))
TASK = ("--if-no-cluster", "launch")
DATA = "kiln-local-data"
DAY = f"daily/clicks/date={DATE}/"
OTHER_DAY, BAD_DAY = "2026-11-19", "2026-11-18"
HEADER = "time,user,page,seconds"
# The job's exit code, and how its line goes on -> what the day's file holds.
ALL_FAILING = {
    (5, "1 of 2 rows of s3"): [HEADER, f"{BAD_DAY}T10:00:00,u,/x,1", "yesterday,u,/x,1"],
    (4, "no data of"): [],
    (6, "the columns of s3"): [f"{HEADER},country", f"{BAD_DAY}T10:00:00,u,/x,1,de"],
}
# The soak tries them all on a cluster; the job's own tests do so without one.
FAILING = dict(list(ALL_FAILING.items())[: often(1, len(ALL_FAILING))])
USERS: dict[str, Any] = {
    "name": "users",
    "spark": {"jar": f"s3://{DATA}/code/clicks.jar", "class": "com.example.clicks.PagesByUser"},
}


def kiln(world: World, actions: str, *more: str, run_id: str = KEPT, **variables: Any) -> Finished:
    """Run actions. The cluster of the run KEPT does not end by itself: several steps are tried on it."""
    small = {"emr_cluster_core_count": 1, "emr_cluster_keep_alive": run_id == KEPT, **variables}
    which = ("--env", "local", "--run-id", run_id)
    return world.kiln("run", "daily_transform", actions, *which, "-e", json.dumps(small), *more)


def upload(world: World, day: str, lines: list[str], name: str = "part-1.csv") -> None:
    """Upload a file of a day, which says by an empty object that it is whole. Without lines: only that."""
    found = {name: "\n".join(lines).encode() + b"\n"} if lines else {}
    for key, content in {**found, "_SUCCESS": b""}.items():
        world.session.client("s3").put_object(Bucket=DATA, Key=f"clicks/{day}/{key}", Body=content)


def clicks(day: str, count: int, first: int = 0) -> list[str]:
    return [
        f"{day}T10:00:{number:02},u{number % 3},/p{number},{number}.5"
        for number in range(first, first + count)
    ]


def objects_below(world: World, prefix: str) -> dict[str, bytes]:
    return {key: body for key, body in world.objects(DATA).items() if key.startswith(prefix)}


def rows_below(world: World, prefix: str) -> list[dict[str, Any]]:
    return [
        row
        for key, body in objects_below(world, prefix).items()
        if key.endswith(".parquet")
        for row in pq.read_table(io.BytesIO(body)).to_pylist()
    ]


def built_jar(folder: Path) -> Path:
    project = shutil.copytree(CHECKOUT / "examples/java_job", folder / "java_job")
    built = subprocess.run(
        ["mvn", "-B", "-q", "-f", project / "pom.xml", "package"], check=False, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return project / "target/clicks.jar"


def test_a_day_is_transformed_checked_and_registered_and_what_fails_is_named(
    world: World, tmp_path: Path
) -> None:
    upload(world, DATE, [HEADER, *clicks(DATE, 30)])
    # As the tasks of its DAG do: the cluster may have ended before the task of its last step begins.
    for actions in (("launch",), ("transform", *TASK), ("check", *TASK)):
        good = kiln(world, *actions, "--date", DATE, run_id=DAILY)
        assert good.code == 0, good.said
    until(lambda: world.cluster_of(DAILY)["Status"]["State"] == "TERMINATED")
    assert world.cluster_of(DAILY)["Status"]["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    assert kiln(world, "terminate", run_id=DAILY).code == 0
    assert len(rows_below(world, DAY)) == 30
    assert all(".zstd." in key for key in world.objects(DATA) if key.startswith(DAY) and "parquet" in key)
    glue = world.session.client("glue")
    table = glue.get_table(DatabaseName="kiln_local", Name="clicks")["Table"]
    assert [one["Name"] for one in table["StorageDescriptor"]["Columns"]] == HEADER.split(",")
    day = glue.get_partition(DatabaseName="kiln_local", TableName="clicks", PartitionValues=[DATE])
    assert day["Partition"]["StorageDescriptor"]["Location"] == f"s3://{DATA}/{DAY}"

    for name, body in objects_below(world, DAY).items():
        key = name.replace(DATE, OTHER_DAY)
        world.session.client("s3").put_object(Bucket=DATA, Key=key, Body=body)
    daily = objects_below(world, "daily/")
    assert kiln(world, "launch").code == 0
    for (status, words), lines in FAILING.items():
        upload(world, BAD_DAY, lines)
        bad = kiln(world, "transform", "--date", BAD_DAY)
        assert bad.code == 14, bad.said
        line = f"exited with status {status}: daily_transform: {words}"
        assert bad.result["cause"]["headline"].startswith(line), bad.said
        assert objects_below(world, "daily/") == daily

    upload(world, DATE, [HEADER, *clicks(DATE, 6, first=30)], "late.csv")
    late = kiln(world, "transform", "--date", DATE)
    assert late.code == 0, late.said
    assert len(rows_below(world, DAY)) == 36
    changed = objects_below(world, "daily/")
    other = {name: body for name, body in daily.items() if OTHER_DAY in name}
    assert other
    assert {name: body for name, body in changed.items() if OTHER_DAY in name} == other
    upload(world, DATE, [HEADER, *clicks(DATE, 6, first=36)], "later.csv")
    again = kiln(world, "transform", "--date", DATE)
    assert (again.code, "begin a new run, or run it --again" in again.said) == (2, True), again.said
    assert objects_below(world, "daily/") == changed

    failed = kiln(
        world,
        "check",
        "--date",
        DATE,
        daily_transform_columns={"time": "timestamp", "user": "string"},
    )
    assert failed.code == 14, failed.said
    assert failed.result["cause"]["kind"] == "data_check"
    assert failed.result["cause"]["headline"] == (
        f"check_data: s3://{DATA}/{DAY} fails: column page is not declared; column seconds is not declared; "
        f"36 rows and 0 set aside, but 42 in s3://{DATA}/clicks/{DATE}/"
    )
    assert (
        glue.get_table(DatabaseName="kiln_local", Name="clicks")["Table"]["StorageDescriptor"]
        == (table["StorageDescriptor"])
    )

    world.session.client("s3").upload_file(str(built_jar(tmp_path)), DATA, "code/clicks.jar")
    job = {**USERS["spark"], "args": [f"s3://{DATA}/{DAY}", f"s3://{DATA}/users/date={DATE}/"]}
    java = kiln(world, "users", "--date", DATE, steps=[USERS | {"spark": job}])
    assert java.code == 0, java.said
    users = sorted(rows_below(world, f"users/date={DATE}/"), key=lambda row: str(row["user"]))
    assert users == [{"user": f"u{number}", "clicks": 12, "pages": 12} for number in range(3)]

    assert kiln(world, "terminate").code == 0
