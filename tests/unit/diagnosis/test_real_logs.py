"""Logs of steps that failed on real clusters of emrbox (Spark 4.0, Hadoop 3.4), shortened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kiln.diagnosis import diagnose, logs

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parent / "logs"
HEAD = re.compile(r"^==> (\S+) <==\n", re.MULTILINE)
S3_READ = "(s3:GetObject or s3:ListBucket)"

# File in logs/: kind of the cause, beginning of the first line.
EXPECTED = {
    "driver_memory": (
        "driver_memory",
        "the driver ran out of memory: java.lang.OutOfMemoryError: Java heap space",
    ),
    "executor_memory": (
        "executor_memory",
        "an executor ran out of memory: java.lang.OutOfMemoryError: Java heap space",
    ),
    "result_size": (
        "result_size",
        "the results of 1 tasks (7.3 MiB) are larger than spark.driver.maxResultSize (1024.0 KiB)",
    ),
    "too_large": (
        "yarn_limit",
        "the executor needs 921600 MB and its overhead; YARN gives a container at most 3072 MB",
    ),
    "missing_module": ("missing_module", "ModuleNotFoundError: No module named 'pandas'"),
    "missing_module_client": ("missing_module", "ModuleNotFoundError: No module named 'pandas'"),
    "udf_missing": ("missing_module", "ModuleNotFoundError: No module named 'sklearn'"),
    "access_denied": (
        "access_denied",
        f"access denied: getFileStatus {S3_READ} on s3://kiln-private/secret/file.txt",
    ),
    "access_denied_cli": (
        "access_denied",
        "access denied: HeadObject (s3:GetObject) on s3://kiln-private/secret/file.txt",
    ),
    "no_bucket": (
        "access_denied",
        f"access denied: getFileStatus {S3_READ} on s3://kiln-no-such-bucket/data",
    ),
    "no_path": ("no_path", "the path s3://kiln-local-data/none/date=2026-11-20 does not exist"),
    "no_script": ("no_path", "the path s3://kiln-local-data/faults/nosuch.py does not exist"),
    "output_exists": (
        "output_exists",
        "the output hdfs://ip-10-213-224-5.ec2.internal:8020/tmp/there exists already",
    ),
    "failing": ("python_exception", "ValueError: no messages for 2026-11-20: is the date right?"),
    "syntax": ("syntax_error", "SyntaxError: invalid syntax (syntax.py, line 1)"),
    "database": ("connection", "ConnectionRefusedError: [Errno 111] Connection refused"),
    "bad_jar": ("missing_class", "ClassNotFoundException: the class com.example.Main is not in the jars"),
    "bad_jar_no_class": ("bad_jar", "Failed to get main class in JAR with error"),
    "jar_step": (
        "bad_jar",
        "a jar cannot be opened: java.util.zip.ZipException: zip END header not found",
    ),
    "missing_class_client": ("missing_class", "the class com.example.Main is not in the jars"),
    "killed": ("killed", "exited with status 137 (killed by SIGKILL: often for lack of memory)"),
    "killed_client": ("killed", "exited with status 137 (killed by SIGKILL: often for lack of memory)"),
    "killed_container": ("killed", "exited with status 137 (killed by SIGKILL: often for lack of memory)"),
    "exit7": ("exit_code", "exited with status 7: sd: no rows for 2026-11-20"),
    "exit7_cluster": ("exit_code", "exited with status 7: sd: no rows for 2026-11-20"),
    "exit9": ("exit_code", "exited with status 9: no space for the index"),
    "traced_script": (
        "exit_code",
        "exited with status 1: bash: line 2: cd: /nowhere: No such file or directory",
    ),
    "command_missing": ("command_not_found", "the command nosuchcommand was not found"),
}


class Run:
    """The logs of one run, as a place that has them."""

    def __init__(self, name: str) -> None:
        _, *parts = HEAD.split((FOLDER / f"{name}.log").read_text())
        self._logs = [
            logs.Log(address=f"s3://logs/j-1/{path}", text=text)
            for path, text in zip(parts[::2], parts[1::2], strict=True)
        ]

    def step(self, step_id: str) -> list[logs.Log]:
        return [log for log in self._logs if f"/{step_id}/" in log.address]

    def driver(self, application: str) -> list[logs.Log]:
        return [log for log in self._logs if application in log.address and "_000001/" in log.address]

    def executors(self, application: str, containers: Sequence[str]) -> list[logs.Log]:
        assert application
        return [log for log in self._logs if log.address.split("/")[-2] in containers]


def test_every_collected_log_is_tried() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_first_line_names_the_cause(name: str) -> None:
    kind, headline = EXPECTED[name]
    cause = diagnose.of_step([Run(name)], "s-1")
    assert (cause.kind, cause.headline[: len(headline)]) == (kind, headline)
    assert cause.lines
    assert cause.address


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("killed", 137),
        ("killed_client", 137),
        ("exit7", 7),
        ("exit7_cluster", 7),
        ("exit9", 9),
        ("failing", 1),
    ],
)
def test_the_exit_code_is_among_the_lines(name: str, code: int) -> None:
    lines = diagnose.of_step([Run(name)], "s-1").lines
    assert any(f"exited with status {code}" in line for line in lines)


@pytest.mark.parametrize("name", ["exit9", "traced_script", "exit7", "killed_client"])
def test_no_environment_of_the_controller_is_shown(name: str) -> None:
    assert "HADOOP_CONF_DIR" not in "\n".join(diagnose.of_step([Run(name)], "s-1").lines)


def test_what_a_killed_driver_wrote_last_is_shown() -> None:
    assert diagnose.of_step([Run("killed")], "s-1").lines[:2] == ("loading", "reading 12 GB")


def test_a_lost_bridge_to_the_jvm_is_no_refused_connection_to_a_database() -> None:
    """After an executor's OutOfMemoryError Spark stopped its JVM; Python only saw its connection refused."""
    assert "ConnectionRefusedError" in (FOLDER / "executor_memory.log").read_text()
    assert diagnose.of_step([Run("executor_memory")], "s-1").kind == "executor_memory"
