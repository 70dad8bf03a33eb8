"""Tasks that Airflow ends: the command ends with a stopped task, and goes on for one that begins again."""

from __future__ import annotations

import json
import subprocess
from typing import NamedTuple

import pytest
from tests.unit.airflow.conftest import AIRFLOW, CHECKOUT

pytestmark = pytest.mark.processes
PROGRAM = CHECKOUT / "tests/unit/airflow/kill_tasks.py"
GOES_ON, ENDS = "went on", "kiln ended with exit code 3: stopped"


class Case(NamedTuple):
    """What Airflow says of the task when its process is ended."""

    state: str | None
    is_elsewhere: bool
    answers: str = "at once"
    by_timeout: bool = False


CASES = {
    "begins again after the loss of a scheduler": (Case(None, is_elsewhere=False), GOES_ON),
    "is about to begin again": (Case("queued", is_elsewhere=False), GOES_ON),
    "has begun again elsewhere": (Case("running", is_elsewhere=True), GOES_ON),
    "was taken for dead": (Case("up_for_retry", is_elsewhere=False), GOES_ON),
    "was marked as failed": (Case("failed", is_elsewhere=False), ENDS),
    "was marked as success": (Case("success", is_elsewhere=False), ENDS),
    "was cleared while it ran": (Case("restarting", is_elsewhere=False), ENDS),
    "is on a worker that is stopped": (Case("running", is_elsewhere=False), ENDS),
    "takes too long": (Case(None, is_elsewhere=False, by_timeout=True), ENDS),
    "has an Airflow that does not answer": (Case(None, is_elsewhere=False, answers="never"), ENDS),
    "has an Airflow that is gone": (Case(None, is_elsewhere=False, answers="error"), ENDS),
}


@pytest.fixture(scope="module")
def last_lines() -> dict[str, str]:
    """Return what became of the command of each case, for both releases' task instances."""
    done = subprocess.run(
        [AIRFLOW / "bin/python", PROGRAM, CHECKOUT],
        input=json.dumps({name: case for name, (case, _) in CASES.items()}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("release", ["2", "3"])
@pytest.mark.parametrize("name", CASES)
def test_the_command_of_a_task_that(name: str, release: str, last_lines: dict[str, str]) -> None:
    assert last_lines[f"{name} {release}"] == CASES[name][1]
