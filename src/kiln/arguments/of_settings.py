"""Commands that need no run and no account: `kiln check`, `new`, `import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.arguments import command_line, texts, values

if TYPE_CHECKING:
    import argparse

    from kiln.arguments.command_line import Parser


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands that need no run and no account."""
    check = command_line.add(
        commands, "check", "what is wrong with a pipeline's settings, or what they are", texts.CHECK
    )
    check.add_argument("pipeline", metavar="PIPELINE")
    command_line.add_extra(check)
    check.add_argument("--date", metavar="DS", help="the data's date, YYYY-MM-DD (default: today, UTC)")
    check.add_argument(
        "--account", action="store_true", help="also what a launch needs of AWS, git, vault, package indexes"
    )

    new = command_line.add(commands, "new", "the files of a new pipeline", texts.NEW)
    new.set_defaults(needs_environment=False)
    new.add_argument("what", choices=["pipeline"])
    new.add_argument("name", metavar="NAME")
    new.add_argument("--spark", dest="program", metavar="PATH", help="script or jar of the Spark job")
    new.add_argument("--class", dest="main_class", metavar="CLASS", help="main class in the jar")
    new.add_argument("--repo", metavar="URL", help="git remote of the model repo")
    new.add_argument("--step", metavar="NAME", help="name of the step (default: main)")
    new.add_argument("--core-count", metavar="N", type=values.count, help="core nodes (default: 2)")
    new.add_argument("--instance-type", metavar="TYPE", help="of all nodes (default: emr_cluster's)")
    new.add_argument("--requirements", metavar="NAMES", help="comma list: Python packages that it imports")

    importing = command_line.add(
        commands, "import", "a task of another system as a new pipeline", texts.IMPORT
    )
    importing.set_defaults(needs_environment=False, module="import_pipeline")
    importing.add_argument("system", choices=["sundial"])
    importing.add_argument("file", metavar="FILE")
    importing.add_argument("--name", metavar="NAME", help="of the pipeline (default: the job's name)")
