"""The error of a command: on stderr for people, as one line of JSON for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kiln.display import terminal

if TYPE_CHECKING:
    import argparse

    from kiln.errors import KilnError


def wants_json(arguments: argparse.Namespace) -> bool:
    """Return whether stdout gets one line of JSON; from `run` also without a terminal (Airflow's XCom)."""
    return arguments.output == "json" or (arguments.command == "run" and not sys.stdout.isatty())


def show(error: KilnError) -> None:
    """Write an error to stderr: one line, its details, what to do."""
    terminal.err(f"kiln: {error.message}")
    for line in error.details:
        terminal.err(f"  {line}")
    if error.fix:
        terminal.err(f"  fix: {error.fix}")


def show_as_json(arguments: argparse.Namespace, error: KilnError) -> None:
    """Write the error as one line of JSON to stdout."""
    line = {
        "version": 1,
        "kind": arguments.command,
        "environment": arguments.env,
        "pipeline": getattr(arguments, "pipeline", None),
        "exit_code": int(error.exit_code),
        "exit_name": error.exit_code.name.lower(),
        "message": error.message,
        "fix": error.fix,
        "details": list(error.details),
    }
    terminal.out_json(line)
