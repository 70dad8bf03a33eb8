"""mrjob 0.7.4's EMR runner, as released: it launches, bootstraps, submits, waits, reads logs and output."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from emrbox.pytest_plugin import Account

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parents[2] / ".venvs/mrjob/bin/python"
# mrjob takes a release label apart as emr-X.Y.Z, so it does not know labels like emr-spark-8.0.0.
CONFIG = """\
runners:
  emr:
    release_label: emr-7.13.0
    region: us-east-1
    instance_type: m5.xlarge
    num_core_instances: 1
    check_cluster_every: 1
"""


def run(folder: Path, job: str, *options: str) -> subprocess.CompletedProcess[str]:
    assert PYTHON.exists(), "mrjob is not installed: scripts/setup --tests"
    (folder / "mrjob.conf").write_text(CONFIG)
    text = folder / "in.txt"
    text.write_text("a b a c\nb a\n")
    return subprocess.run(
        [PYTHON, FOLDER / job, "-r", "emr", *options, text],
        env={**os.environ, "MRJOB_CONF": str(folder / "mrjob.conf"), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def states(account: Account) -> list[str]:
    return [c["Status"]["State"] for c in account.client("emr").list_clusters()["Clusters"]]


def test_a_job_goes_through_on_a_hollow_cluster(aws_account: Account, tmp_path: Path) -> None:
    aws_account.script_step(seconds=2)
    result = run(tmp_path, "mrjob_words.py", "--no-cat-output", "--no-read-logs")
    assert result.returncode == 0, result.stderr
    assert states(aws_account) == ["TERMINATED"]
    # It makes its own roles, from AWS's managed policies.
    assert any(r["RoleName"].startswith("mrjob-") for r in aws_account.client("iam").list_roles()["Roles"])


def test_a_failed_job_is_reported(aws_account: Account, tmp_path: Path) -> None:
    aws_account.script_step(seconds=2, exit_code=1)
    result = run(tmp_path, "mrjob_words.py", "--no-read-logs")
    assert result.returncode != 0
    assert "Step 1 of 1 failed" in result.stderr


@pytest.mark.slow
@pytest.mark.emrbox_nodes
def test_a_streaming_job_counts_on_real_nodes(aws_account: Account, tmp_path: Path) -> None:
    few = ("--jobconf", "mapreduce.job.reduces=1", "--jobconf", "mapreduce.job.maps=1")
    result = run(tmp_path, "mrjob_words.py", *few)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ['"a"\t3', '"b"\t2', '"c"\t1']
    # It reads the counters from the step's syslog in S3.
    assert "Map input records=2" in result.stderr
    assert states(aws_account) == ["TERMINATED"]


@pytest.mark.slow
@pytest.mark.emrbox_nodes
def test_a_spark_job_counts_on_real_nodes(aws_account: Account, tmp_path: Path) -> None:
    result = run(tmp_path, "mrjob_spark_words.py")
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == ["('a', 3)", "('b', 2)", "('c', 1)"]
    assert states(aws_account) == ["TERMINATED"]
