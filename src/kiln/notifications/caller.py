"""Who called a command: a task of Airflow's and which try of it, else a person or a timer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kiln.exit_codes import ExitCode
from kiln.run_ids import AIRFLOW_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

# BashOperator sets the first two; the DAG sets how often Airflow tries the task, and where its log is.
_TASK, _TRY = "AIRFLOW_CTX_TASK_ID", "AIRFLOW_CTX_TRY_NUMBER"
_TRIES, LOG_URL = "KILN_TASK_TRIES", "KILN_LOG_URL"
# With these Airflow's task fails at once: another try would end in the same way.
_FINAL = frozenset({ExitCode.USAGE, ExitCode.PREFLIGHT})
_LONGEST_NAME, _LONGEST_NUMBER = 250, 6


class Caller(NamedTuple):
    """`task` is empty outside of Airflow. `number` is the try, from 1 on, of `tries` (0: not known)."""

    task: str = ""
    number: int = 1
    tries: int = 0
    log_url: str = ""

    def key(self, command: str) -> str:
        """Return what distinguishes this try from others; outside of Airflow the id of the command does."""
        return task_key(self.task, self.number) if self.task else command

    def tries_again(self, exit_code: int) -> bool:
        """Return whether Airflow will try the task again after such an exit."""
        return bool(self.task) and self.number < self.tries and exit_code not in _FINAL

    @property
    def described(self) -> str:
        """Return the task as people read it; empty outside of Airflow."""
        if not self.task:
            return ""
        return f"{self.task}, try {self.number}" + (f" of {self.tries}" if self.tries else "")


def of(environment: Mapping[str, str]) -> Caller:
    """Return who called, from the variables of the process. What Airflow did not set is left out."""
    log_url = environment.get(LOG_URL, "")
    if not environment.get(AIRFLOW_VARIABLE):
        return Caller(log_url=log_url)
    return Caller(
        task=environment.get(_TASK, "")[:_LONGEST_NAME],
        number=_number(environment.get(_TRY, "")) or 1,
        tries=_number(environment.get(_TRIES, "")),
        log_url=log_url,
    )


def task_key(task: str, number: int) -> str:
    """Return what distinguishes a try of a task from all others of its run."""
    return f"task {task}, try {number}"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0
