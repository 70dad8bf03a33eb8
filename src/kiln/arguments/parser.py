"""All of the command line."""

from __future__ import annotations

from kiln.arguments import command_line, of_clusters, of_messages, of_runs, of_settings


def parser() -> command_line.Parser:
    """Return the parser of all commands."""
    made = command_line.Parser(
        prog="kiln",
        description="Run pipelines on throwaway EMR clusters, which are terminated after the run.",
        allow_abbrev=False,
    )
    commands = made.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=command_line.Parser
    )
    for group in (of_runs, of_settings, of_clusters, of_messages):
        group.add(commands)
    return made
