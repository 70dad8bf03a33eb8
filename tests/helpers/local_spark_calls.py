"""Run by the Python that has PySpark: programs one after the other, as if each were started by itself.

python local_spark_calls.py calls.json, with a list of [file, arguments]; writes answers.json beside it.
"""

from __future__ import annotations

import io
import json
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from pyspark.sql import SparkSession


def called(file: str, words: list[str]) -> dict[str, object]:
    """Run a program; return its exit code and what it has written."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    sys.argv = [file, *words]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            runpy.run_path(file, run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    """Run all of them in one session: each program asks for one, and gets it."""
    SparkSession.builder.getOrCreate()
    stop, SparkSession.stop = SparkSession.stop, lambda _session: None
    calls = Path(sys.argv[1])
    answers = [called(file, words) for file, words in json.loads(calls.read_text())]
    calls.with_name("answers.json").write_text(json.dumps(answers))
    stop(SparkSession.builder.getOrCreate())


if __name__ == "__main__":
    main()
