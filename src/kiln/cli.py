"""The command line. Everything heavy is imported by the command that needs it: --help has to be instant."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from kiln.arguments import parser
from kiln.display import failure, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.errors import KilnError


def _command_of(arguments: argparse.Namespace) -> int:
    """Import and run the command; modules of other commands are not loaded."""
    from importlib import import_module  # noqa: PLC0415

    module = import_module(f"kiln.commands.{getattr(arguments, 'module', arguments.command)}")
    return int(module.main(arguments))


def _unread(argv: Sequence[str]) -> argparse.Namespace:
    """Return what is needed to show the error of a command line that could not be parsed."""
    wants = "json" if {"json", "-ojson", "--output=json"} & set(argv) else None
    return argparse.Namespace(command=argv[0] if argv else "", env="", output=wants)


def _read(argv: Sequence[str]) -> argparse.Namespace:
    # What follows -- is the command of `ssh`, with options of its own; elsewhere it stays argparse's.
    end = list(argv).index("--") if argv[:1] == ["ssh"] and "--" in argv else len(argv)
    arguments = parser.parser().parse_args(argv[:end])
    arguments.words = list(argv[end + 1 :])
    if arguments.env is None:
        is_used = getattr(arguments, "needs_environment", True)
        arguments.env = os.environ.get("KILN_ENV", "") if is_used else ""
    return arguments


def _expected(error: Exception) -> KilnError:
    """Return any error as one that a person can read; the traceback of a fault in kiln goes to a file."""
    from kiln.errors import KilnError, PreflightError  # noqa: PLC0415  # --help needs neither

    if isinstance(error, KilnError):
        return error
    if isinstance(error, OSError) and error.filename is not None:
        fix = getattr(error, "fix", "make it readable and writable for this user")
        return PreflightError(f"{error.filename}: {error.strerror}", fix=fix)
    from kiln import paths  # noqa: PLC0415

    file = paths.write_fault(error)
    return KilnError(f"fault in kiln: {type(error).__name__}: {error}", fix=f"report this{file}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = sys.argv[1:] if argv is None else argv
    arguments = _unread(given)
    try:
        arguments = _read(given)
        if not arguments.env and getattr(arguments, "needs_environment", True):
            from kiln.errors import UsageError  # noqa: PLC0415

            raise UsageError("no environment named", fix="--env ENV, or set KILN_ENV (there is no default)")  # noqa: TRY301  # as all that a command refuses
        return _command_of(arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as caught:  # noqa: BLE001  # people get one line, whatever it is
        if isinstance(caught, BrokenPipeError) and arguments.command != "run":
            # The program that reads stdout has ended. A run goes on without it.
            terminal.give_up(sys.stdout)
            return 0
        error = _expected(caught)
        failure.show(error)
        if failure.wants_json(arguments):
            failure.show_as_json(arguments, error)
        return int(error.exit_code)
