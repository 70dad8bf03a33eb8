"""`kiln notify` and `kiln vault`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.arguments import command_line, texts, values

if TYPE_CHECKING:
    import argparse

    from kiln.arguments.command_line import Parser


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    notify = command_line.add(
        commands, "notify", "send messages about a task that could not send them itself", texts.NOTIFY
    )
    notify.add_argument("pipeline", metavar="PIPELINE")
    notify.add_argument("--run-id", metavar="ID", help="default: that of Airflow's DAG run")
    notify.add_argument("--event", choices=["failed", "retry", "test"], required=True)
    notify.add_argument("--task", metavar="NAME", help="default: Airflow's (AIRFLOW_CTX_TASK_ID)")
    notify.add_argument(
        "--try", metavar="N", dest="number", type=values.count, help="which try of the task failed"
    )
    notify.add_argument("--log-url", metavar="URL", help="where the task's log is (or KILN_LOG_URL)")

    vault = command_line.add(commands, "vault", "an environment's encrypted secrets")
    vault.add_argument(
        "verb", choices=["init"], help="init: make password file and vault, name missing secrets"
    )
