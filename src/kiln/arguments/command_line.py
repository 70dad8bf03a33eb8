"""A command, and the options that many have."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError, in place of printing the usage and ending the process."""
        from kiln.errors import UsageError  # noqa: PLC0415  # --help does not need it

        raise UsageError(message, fix=f"{self.prog} --help")


def add(
    commands: argparse._SubParsersAction[Parser], name: str, text: str, more: str = ""
) -> argparse.ArgumentParser:
    """Add a command of its own page, with the options that every command has."""
    command = commands.add_parser(
        name,
        help=text,
        description=text[:1].upper() + text[1:] + ".",
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("--env", metavar="ENV", help="environment (or KILN_ENV); there is no default")
    command.add_argument("-o", "--output", choices=["json"], help="one line of JSON on stdout")
    return command


def add_run_id(command: argparse.ArgumentParser) -> None:
    """Add the option that names a run."""
    command.add_argument("--run-id", metavar="ID", help="default: the pipeline's only live run")


def add_extra(command: argparse.ArgumentParser) -> None:
    """Add the option with which Ansible's variables are set."""
    command.add_argument(
        "-e", "--extra", action="append", default=[], metavar="KEY=VALUE|@FILE", help="as in Ansible"
    )


def add_for_run(
    commands: argparse._SubParsersAction[Parser], name: str, text: str, more: str = ""
) -> argparse.ArgumentParser:
    """Add a command about one run: PIPELINE, and the option that names the run."""
    command = add(commands, name, text, more)
    command.add_argument("pipeline", metavar="PIPELINE")
    add_run_id(command)
    return command
