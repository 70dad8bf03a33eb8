"""Spark of emrbox's release in one process on this machine: jobs on small files, without a cluster."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from emrbox.images import catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = Path(__file__).parent / "local_spark_calls.py"
PYTHON = "/usr/bin/python3"
HANG_SECONDS = 600.0


class Ended(NamedTuple):
    """How a program ended: its exit code, and what it has written."""

    code: int
    out: str
    err: str


@functools.cache
def spark_home() -> Path:
    """Return where emrbox's images have Spark; called first while the caller's own cache is in use."""
    layers = next(iter(catalog.find().releases.values()))
    return layers[-1] / "opt/emr/spark"


def run(calls: Sequence[tuple[Path, Sequence[str]]], folder: Path) -> list[Ended]:
    """Run programs one after the other in one Spark, which takes a while to start."""
    spark = spark_home()
    py4j = next((spark / "python/lib").glob("py4j-*-src.zip"))
    (folder / "calls.json").write_text(json.dumps([[str(file), list(words)] for file, words in calls]))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TZ": "UTC",
        "SPARK_HOME": str(spark),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": f"{spark / 'python'}:{py4j}",
        "PYSPARK_PYTHON": PYTHON,
        # What a small machine needs: quick starts of JVM and tasks.
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --driver-memory 512m --conf spark.ui.enabled=false "
        "--conf spark.sql.shuffle.partitions=2 --driver-java-options -XX:TieredStopAtLevel=1 pyspark-shell",
    }
    done = subprocess.run(
        [PYTHON, PROGRAM, folder / "calls.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answers: list[dict[str, Any]] = json.loads((folder / "answers.json").read_text())
    return [Ended(**one) for one in answers]
