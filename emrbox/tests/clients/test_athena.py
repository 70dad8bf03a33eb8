"""PyAthena 4 and awswrangler 3, as released, on Athena: what they document, run by their own processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrbox.pytest_plugin import Account, Box

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parents[2] / ".venvs/athena/bin/python"


@pytest.fixture(scope="module")
def analyst(emrbox: Box) -> Iterator[Account]:
    """An account with a bucket and the database `default`, for all tests here."""
    account = emrbox.open_account()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        account.client("s3").create_bucket(Bucket=bucket_of(account))
        account.client("glue").create_database(DatabaseInput={"Name": "default"})
        run(account, "athena_pyathena.py", "tables")
        yield account
    account.close()


def bucket_of(account: Account) -> str:
    return f"analyst-{account.account_id}"


def run(account: Account, script: str, *cases: str) -> None:
    """Run cases of a script, which has assertions of its own, to their end."""
    assert PYTHON.exists(), "PyAthena and awswrangler are not installed: scripts/setup --tests"
    result = subprocess.run(
        [PYTHON, FOLDER / script, bucket_of(account), *cases],
        env={**os.environ, **account.environment, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_pyathenas_documented_queries_give_rows(analyst: Account) -> None:
    run(analyst, "athena_pyathena.py", "documented", "sqlalchemy")


@pytest.mark.slow
def test_pyathenas_other_cursors_give_rows(analyst: Account) -> None:
    run(analyst, "athena_pyathena.py", "complex_row", "dictionaries", "asynchronous")


@pytest.mark.slow
def test_pyathena_reads_and_writes_data_frames(analyst: Account) -> None:
    run(analyst, "athena_pyathena.py", "pandas")


@pytest.mark.slow
def test_awswrangler_reads_directly_by_a_new_table_and_by_unload(analyst: Account) -> None:
    run(analyst, "athena_awswrangler.py", "read")


@pytest.mark.slow
def test_awswrangler_manages_tables(analyst: Account) -> None:
    run(analyst, "athena_awswrangler.py", "manage")
