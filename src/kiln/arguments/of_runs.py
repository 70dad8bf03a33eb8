"""`kiln run` and `kiln resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.arguments import command_line, texts, values

if TYPE_CHECKING:
    import argparse

    from kiln.arguments.command_line import Parser


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands that run a pipeline."""
    run = command_line.add(commands, "run", "run a pipeline, or single actions of it", texts.RUN)
    run.add_argument("pipeline", metavar="PIPELINE")
    run.add_argument("actions", metavar="ACTIONS", nargs="?", help="comma list; none = the whole pipeline")
    run.add_argument(
        "--if-no-cluster",
        choices=[phases.LAUNCH.name, "fail"],
        help="for steps whose run has no live cluster: make one first, or exit 18 (default: fail)",
    )
    run.add_argument(
        "--no-wait",
        action="store_true",
        help="for steps: return when they are added (then --no-add judges them)",
    )
    run.add_argument(
        "--no-add",
        action="store_true",
        help="for steps: wait for their last tries and judge these, also on a cluster that has ended",
    )
    _options_of_runs(run)

    resume = command_line.add(commands, "resume", "go on with a run from what is not complete", texts.RESUME)
    resume.add_argument("pipeline", metavar="PIPELINE")
    _options_of_runs(resume)
    # It launches in any case, and ends the cluster.
    resume.set_defaults(if_no_cluster="fail", no_wait=False, no_add=False)


def _options_of_runs(command: argparse.ArgumentParser) -> None:
    command_line.add_extra(command)
    command.add_argument(
        "--branch", metavar="NAME", help="branch of the model repo (default: model_repo_branch)"
    )
    command_line.add_run_id(command)
    _part_of_steps(command)
    command.add_argument(
        "--if-running",
        choices=["fail", "skip", "wait", "attach"],
        help="while others are at this work: exit 17, exit 99, wait, or follow that run to its end "
        "(default: kiln_if_running)",
    )
    command.add_argument(
        "--if-complete",
        choices=["succeed", "skip"],
        default="succeed",
        help="when all steps that were asked for are complete already: exit 0, or exit 99, which Airflow's "
        "BashOperator takes for skipped (default: succeed)",
    )
    command.add_argument(
        "--wait-for-driver",
        action="store_true",
        help="while another command works on this very run, wait for it: a retry in Airflow whose first try "
        "lost its worker",
    )
    holds = command.add_mutually_exclusive_group()
    holds.add_argument(
        "--hold",
        metavar="DURATION",
        type=values.hold,
        help="keep the cluster of a whole run for that long, such as 10m or 2h, however the run ends",
    )
    holds.add_argument(
        "--hold-on-failure",
        metavar="DURATION",
        type=values.hold,
        help="the same only when the run fails, to debug it",
    )
    command.add_argument("--date", metavar="DS", help="the data's date, YYYY-MM-DD (default: today, UTC)")


def _part_of_steps(command: argparse.ArgumentParser) -> None:
    """Add the options that choose steps of a whole run, and that run complete ones again."""
    command.add_argument("--only", metavar="NAMES", help="comma list: run these steps only")
    command.add_argument("--from", dest="first", metavar="NAME", help="this step and all that need it")
    command.add_argument("--until", dest="last", metavar="NAME", help="this step and all that it needs")
    command.add_argument("--again", action="store_true", help="run steps again that are complete")
    command.add_argument(
        "--again-once",
        metavar="ID",
        type=values.request,
        help="--again, but for steps that were added with the same ID already: a task that was cleared, and "
        "its retries",
    )
