"""Whether Airflow runs a task again elsewhere while this process still has it.

After the loss of a scheduler Airflow begins the tasks of its LocalExecutor again, and so it does with tasks
whose worker was cut off; the processes that had them are ended as if somebody had stopped them. A person who
stops a task leaves it in an end state, or restarting.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from kiln_airflow.versions import state_of

# A task that is about to begin again; nobody's stop leaves one of these. None: the scheduler has not seen it.
_AGAIN = frozenset({None, "scheduled", "queued", "up_for_retry"})
_RUNNING = "running"
_KEY = "kiln_process"
# Airflow 3 kills a process five seconds after its SIGTERM.
_WAIT_SECONDS = 4.0
_POLL_SECONDS = 0.2


class Hold:
    """A hold of a task: an XCom with a value of its own; Airflow removes it when a task begins."""

    def __init__(self, ti: Any) -> None:
        self._ti = ti
        self._value = uuid.uuid4().hex
        self._is_lost = False
        ti.xcom_push(key=_KEY, value=self._value)

    def is_lost(self) -> bool:
        """Return whether the task is, or will be, another process's. Without an answer in time: no."""
        # In a thread: an Airflow that is ending as well may not answer, and its client tries for minutes.
        asking = threading.Thread(target=self._ask, daemon=True)
        asking.start()
        asking.join(_WAIT_SECONDS)
        return self._is_lost

    def _ask(self) -> None:
        state = state_of(self._ti)
        # Still running: here, on a worker that is stopped, or elsewhere, where it needs a moment to begin.
        deadline = time.monotonic() + _WAIT_SECONDS
        while state == _RUNNING and self._is_here() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._is_lost = state in _AGAIN or (state == _RUNNING and not self._is_here())

    def _is_here(self) -> bool:
        return bool(self._ti.xcom_pull(task_ids=self._ti.task_id, key=_KEY) == self._value)
