"""What Airflow calls when a task has failed: `scripts/kiln notify`, which sends each message once.

The command of a task sends its own; these are for a task that could not, because its worker was killed.
"""

from __future__ import annotations

import logging
import os
import subprocess
from typing import Any

from kiln_airflow import commands

_LOG = logging.getLogger(__name__)
# A mail server that does not answer must not hold up Airflow.
_SECONDS = 120


def failed(context: Any) -> None:
    """Send the message of a task that is not tried again."""
    _notify(context, "failed")


def retried(context: Any) -> None:
    """Send the message of a task that is tried again."""
    _notify(context, "retry")


def _notify(context: Any, event: str) -> None:
    """Call `scripts/kiln notify`. Whatever goes wrong is in the log, and changes nothing."""
    try:
        finished = subprocess.run(
            arguments(context, event),
            env=commands.without_airflows_own(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except Exception:  # noqa: BLE001  # Airflow's states must not depend on a message
        _LOG.exception("the message about the task could not be sent")
        return
    if finished.returncode != 0:
        _LOG.warning("kiln notify ended with %s: %s", finished.returncode, finished.stderr[-2000:])


def arguments(context: Any, event: str) -> list[str]:
    """Return the command. Of a killed task Airflow does not always give the params: the DAG has them too."""
    task, instance = context["ti"].task, context["ti"]
    params = context.get("params") or context["dag"].params
    own = task.env
    return [
        *(own["KILN_SCRIPT"], "notify", own["KILN_PIPELINE"], f"--env={params['environment']}"),
        *(f"--run-id={instance.run_id}", f"--event={event}", f"--task={instance.task_id}"),
        *(f"--try={instance.try_number}", f"--log-url={instance.log_url}"),
    ]
