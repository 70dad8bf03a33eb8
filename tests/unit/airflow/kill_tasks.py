"""Run by Airflow's own Python: ends tasks whose command runs, as Airflow does, and prints how it went on.

python kill_tasks.py CHECKOUT
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

# Airflow answers nothing for the longest wait and more.
_HANGS_SECONDS = 20
_WAIT_SECONDS = 0.5
_COMMAND = "trap 'echo stopped; exit 3' TERM; echo begun; sleep 1.5 & wait; echo '\"went on\"'"


class Ti:
    """What Kiln asks of a task instance, with answers of the test's."""

    dag_id, run_id, task_id = "dag", "run", "sd"

    def __init__(self, state: str | None, *, is_elsewhere: bool, answers: str) -> None:
        self._state, self._is_elsewhere, self._answers = state, is_elsewhere, answers
        self._pushed: dict[str, Any] = {}

    def current_state(self) -> str | None:
        """Airflow 2.11."""
        if self._answers == "never":
            threading.Event().wait(_HANGS_SECONDS)
        if self._answers == "error":
            raise RuntimeError("no database")
        return self._state

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._pushed[key] = value

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        """Return a value, unless the next try has removed it."""
        assert task_ids == self.task_id
        return None if self._is_elsewhere else self._pushed[key]


class Ti3(Ti):
    """The same of Airflow 3."""

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> Any:
        """Return the state of each task of each run."""
        assert dag_id == self.dag_id
        return {run: dict.fromkeys(task_ids, self.current_state()) for run in run_ids}


def ended(ti: Ti, *, by_timeout: bool) -> str:
    """Start a task, end it once its command runs, and return the last line of the command."""
    from kiln_airflow.operators import KilnOperator  # noqa: PLC0415
    from kiln_airflow.versions import AirflowTaskTimeout  # noqa: PLC0415

    task = KilnOperator(task_id="sd", bash_command=_COMMAND, env={})

    def on_signal(*_: object) -> None:
        if not by_timeout:
            task.on_kill()
            return
        try:
            raise AirflowTaskTimeout("too long")  # noqa: TRY301  # as Airflow does around a task
        except AirflowTaskTimeout:
            task.on_kill()

    signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        return str(task._call({"ti": ti}))
    except Exception as error:  # noqa: BLE001  # a command that was stopped fails its task
        return str(error)


def main() -> None:
    """Print the last line of each command."""
    sys.path.insert(0, str(Path(sys.argv[1]) / "src"))
    import kiln_airflow.replaced  # noqa: PLC0415  # Airflow is imported with it

    kiln_airflow.replaced._WAIT_SECONDS = _WAIT_SECONDS
    found = {}
    for name, (state, is_elsewhere, answers, by_timeout) in json.load(sys.stdin).items():
        for release, kind in {"2": Ti, "3": Ti3}.items():
            ti = kind(state, is_elsewhere=is_elsewhere, answers=answers)
            found[f"{name} {release}"] = ended(ti, by_timeout=by_timeout)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
