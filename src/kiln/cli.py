"""The command line. Everything heavy is imported by the command that needs it: --help has to be instant."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, NoReturn

from kiln import phases
from kiln.display import failure, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.errors import KilnError

_RUN_HELP = f"""\
ACTIONS is a comma list of {", ".join(phases.ACTIONS)}, and names of steps or step groups.
Without it the whole pipeline runs, and the cluster is terminated also when a step fails.

  kiln run model_building --env local
  kiln run model_building preflight --env stage
  kiln run model_building launch,provision,deploy --env stage --run-id nightly-7
  kiln run model_building sd --env stage --run-id nightly-7 --date 2026-11-20
  kiln run model_building terminate --env stage --run-id nightly-7
  kiln run model_building --env stage --if-running wait

Exit codes: docs/exit_codes.md."""


_REAP_HELP = """\
Looks at the clusters and instances that carry Kiln's tags of the environment, and shows which of them are
expired, held too long, doubled, orphaned or idle, and why. What does not carry these tags is never touched.

  kiln reap --env stage          # a dry run
  kiln reap --env stage --yes    # ends them; exit 20 when AWS has not confirmed it

docs/operations/reaper.md has a timer for it."""

_SSH_HELP = """\
A node is named master, core-2 (by address, from 1 on), by its address, or by its id.
What follows -- is the command; its exit code is this command's.

  kiln ssh model_building --env stage
  kiln ssh model_building --env stage --node core-1 -- df -h /mnt"""

_VERIFY_HELP = """\
Connects to every running node, and compares it with what the run has put on its nodes: OS packages, Python
environment, release of the model repo, secrets. Changes nothing; exit 13 when a node differs.

  kiln verify model_building --env stage

docs/operations/nodes.md"""

_NOTIFY_HELP = """\
For callbacks of Airflow. Sends nothing that was sent already; exit 10 when a message could not be sent.

  kiln notify model_building --env prod --run-id RUN --event failed --task cdd --try 2
  kiln notify model_building --env prod --event test     # a message to every row of kiln_notifications

docs/operations/notifications.md"""

_RESUME_HELP = """\
A whole run with the id of an earlier one: on its cluster if that lives, else on a new one. Steps that are
complete with the same arguments, code, environment and inputs are not run again; which, and why, is printed.

  kiln resume model_building --env prod --run-id nightly-7

Exit codes: docs/exit_codes.md."""


_CHECK_HELP = """\
Prints all that is wrong, a line each with file, line, key, value and fix (exit 2); else every setting, its
value and where it comes from. AWS is asked only with --account: then also what a launch needs is checked.

  kiln check model_building --env stage
  kiln check model_building --env stage --account"""

_NEW_HELP = """\
Writes group_vars/NAME.yml, NAME's line in the inventories (--env: some of them; default: all), a test, and
with --requirements the file that its lock file is made of. Without --spark it asks, on a terminal.

  kiln new pipeline clicks --spark s3://code/clicks.py --core-count 3
  kiln new pipeline clicks --repo git@git.example:team/clicks.git --spark jobs/clicks.py
  kiln new pipeline clicks --spark s3://code/clicks.jar --class com.example.Clicks --env stage,prod

docs/operations/new_pipeline.md"""

_IMPORT_HELP = """\
Reads a task definition with an emr_command and writes the files of a pipeline, as `kiln new` does. Fields
that Kiln has no setting for are named on stderr.

  kiln import sundial task.json --name clicks --env stage"""

# Past runs that `list` shows: a screen.
_RUNS = 20


class _Parser(argparse.ArgumentParser):
    """Raises one-line errors."""

    def error(self, message: str) -> NoReturn:
        from kiln.errors import UsageError  # noqa: PLC0415  # --help does not need it

        raise UsageError(message, fix=f"{self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kiln",
        description="Run pipelines on throwaway EMR clusters, which are terminated after the run.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    _add_runs(commands)

    _add_settings(commands)

    status = _command(commands, "status", "what a pipeline's run is doing")
    status.add_argument("pipeline", metavar="PIPELINE")
    _run_id(status)

    listing = _command(commands, "list", "live clusters and past runs of an environment")
    listing.add_argument("pipeline", metavar="PIPELINE", nargs="?")
    listing.add_argument(
        "-n",
        "--limit",
        metavar="N",
        type=_count,
        default=_RUNS,
        help=f"past runs to show, the latest first (default: {_RUNS})",
    )

    listing.add_argument(
        "--active-steps",
        action="store_true",
        help="the active steps of live clusters in place of past runs: one call, and one for each cluster",
    )

    reap = _command(commands, "reap", "what was left running in an environment, and its end", _REAP_HELP)
    reap.add_argument("--yes", action="store_true", help="end it; without this nothing is changed")

    hold = _command(commands, "hold", "keep a run's cluster for debugging, for some time")
    hold.add_argument("pipeline", metavar="PIPELINE")
    _run_id(hold)
    hold.add_argument(
        "--for",
        dest="seconds",
        metavar="DURATION",
        type=_hold,
        help="from now on, such as 30m or 2h; at most 7d (default: kiln_hold_seconds)",
    )

    ssh = _command(commands, "ssh", "a shell on a node of a run's cluster, or one command there", _SSH_HELP)
    ssh.add_argument("pipeline", metavar="PIPELINE")
    _run_id(ssh)
    ssh.add_argument("--node", metavar="NAME|ID", default="master", help="default: master")
    tunnel = _command(commands, "tunnel", "the web pages of a run's cluster on this machine")
    tunnel.add_argument("pipeline", metavar="PIPELINE")
    _run_id(tunnel)
    tunnel.add_argument(
        "--port", metavar="LOCAL", type=_port, help="first of three ports here (default: the pages' own)"
    )

    verify = _command(
        commands, "verify", "what each node of a run has, compared with the others", _VERIFY_HELP
    )
    verify.add_argument("pipeline", metavar="PIPELINE")
    _run_id(verify)

    for name, text in (("logs", "a step's logs"), ("diagnose", "why a step failed, on one screen")):
        command = _command(commands, name, text)
        command.add_argument("pipeline", metavar="PIPELINE")
        _run_id(command)
        command.add_argument("--step", metavar="NAME", help="default: the last step, or the one that failed")
        command.add_argument(
            "--try", metavar="N", dest="number", type=_count, help="the Nth try of the step (1: the first)"
        )
        if name == "logs":
            command.add_argument(
                "-f",
                "--follow",
                action="store_true",
                help="print lines as they are written, of all active steps or of --step NAME[,NAME…]",
            )
            command.add_argument(
                "--all-files",
                action="store_true",
                help="with -f: also controller and syslog of a step, and the containers of executors",
            )

    cancel = _command(commands, "cancel", "end a step or a whole run, and no cluster")
    cancel.add_argument("pipeline", metavar="PIPELINE")
    _run_id(cancel)
    cancel.add_argument("--step", metavar="NAME", help="only this step; default: the whole run")

    _add_notify(commands)

    vault = _command(commands, "vault", "an environment's encrypted secrets")
    vault.add_argument(
        "verb", choices=["init"], help="init: make password file and vault, name missing secrets"
    )
    return parser


def _add_runs(commands: argparse._SubParsersAction[_Parser]) -> None:
    run = _command(commands, "run", "run a pipeline, or single actions of it", _RUN_HELP)
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

    resume = _command(commands, "resume", "go on with a run from what is not complete", _RESUME_HELP)
    resume.add_argument("pipeline", metavar="PIPELINE")
    _options_of_runs(resume)
    # It launches in any case, and ends the cluster.
    resume.set_defaults(if_no_cluster="fail", no_wait=False, no_add=False)


def _add_notify(commands: argparse._SubParsersAction[_Parser]) -> None:
    notify = _command(
        commands, "notify", "send messages about a task that could not send them itself", _NOTIFY_HELP
    )
    notify.add_argument("pipeline", metavar="PIPELINE")
    notify.add_argument("--run-id", metavar="ID", help="default: that of Airflow's DAG run")
    notify.add_argument("--event", choices=["failed", "retry", "test"], required=True)
    notify.add_argument("--task", metavar="NAME", help="default: Airflow's (AIRFLOW_CTX_TASK_ID)")
    notify.add_argument("--try", metavar="N", dest="number", type=_count, help="which try of the task failed")
    notify.add_argument("--log-url", metavar="URL", help="where the task's log is (or KILN_LOG_URL)")


def _add_settings(commands: argparse._SubParsersAction[_Parser]) -> None:
    """Add the commands that need no run and no account."""
    check = _command(
        commands, "check", "what is wrong with a pipeline's settings, or what they are", _CHECK_HELP
    )
    check.add_argument("pipeline", metavar="PIPELINE")
    check.add_argument(
        "-e", "--extra", action="append", default=[], metavar="KEY=VALUE|@FILE", help="as in Ansible"
    )
    check.add_argument("--date", metavar="DS", help="the data's date, YYYY-MM-DD (default: today, UTC)")
    check.add_argument(
        "--account", action="store_true", help="also what a launch needs of AWS, git, the vault"
    )

    new = _command(commands, "new", "the files of a new pipeline", _NEW_HELP)
    new.set_defaults(needs_environment=False)
    new.add_argument("what", choices=["pipeline"])
    new.add_argument("name", metavar="NAME")
    new.add_argument("--spark", dest="program", metavar="PATH", help="script or jar of the Spark job")
    new.add_argument("--class", dest="main_class", metavar="CLASS", help="main class in the jar")
    new.add_argument("--repo", metavar="URL", help="git remote of the model repo")
    new.add_argument("--step", metavar="NAME", help="name of the step (default: main)")
    new.add_argument("--core-count", metavar="N", type=_count, help="core nodes (default: 2)")
    new.add_argument("--instance-type", metavar="TYPE", help="of all nodes (default: emr_cluster's)")
    new.add_argument("--requirements", metavar="NAMES", help="comma list: Python packages that it imports")

    importing = _command(commands, "import", "a task of another system as a new pipeline", _IMPORT_HELP)
    importing.set_defaults(needs_environment=False, module="import_pipeline")
    importing.add_argument("system", choices=["sundial"])
    importing.add_argument("file", metavar="FILE")
    importing.add_argument("--name", metavar="NAME", help="of the pipeline (default: the job's name)")


def _options_of_runs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-e", "--extra", action="append", default=[], metavar="KEY=VALUE|@FILE", help="as in Ansible"
    )
    command.add_argument(
        "--branch", metavar="NAME", help="branch of the model repo (default: model_repo_branch)"
    )
    _run_id(command)
    _part_of_steps(command)
    command.add_argument(
        "--if-running",
        choices=["fail", "skip", "wait", "attach"],
        help="while others are at this work: exit 17, exit 99, wait, or follow that run to its end "
        "(default: kiln_if_running)",
    )
    command.add_argument(
        "--wait-for-driver",
        action="store_true",
        help="while another command works on this very run, wait for it: a retry in Airflow whose first try "
        "lost its worker",
    )
    command.add_argument(
        "--hold-on-failure",
        metavar="DURATION",
        type=_hold,
        help="keep the cluster of a failed whole run for that long, such as 30m or 2h, to debug it",
    )
    command.add_argument("--date", metavar="DS", help="the data's date, YYYY-MM-DD (default: today, UTC)")


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, text: str, more: str = ""
) -> argparse.ArgumentParser:
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


def _count(text: str) -> int:
    """Read a number from 1 on; one that no pipeline reaches stands for all."""
    if not text.isascii() or not text.isdecimal() or not int(text[:9]):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text[:9])


def _request(text: str) -> str:
    """Read the id of a request, which goes into the ledger."""
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,60}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id of letters, digits and _ . : -, at most 60")
    return text


def _port(text: str) -> int:
    """Read the first of three ports that an ordinary user may open."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len("65533") else 0
    if not 1024 <= number <= 65_533:  # noqa: PLR2004  # as the message says
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1024 to 65533")
    return number


def _hold(text: str) -> int:
    """Read for how long a cluster is held, in the range that EMR accepts for its idle policy."""
    from kiln import durations  # noqa: PLC0415  # for two options only

    try:
        seconds = durations.seconds_of(text)
    except ValueError:
        seconds = 0
    if not durations.SHORTEST_HOLD <= seconds <= durations.LONGEST_HOLD:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration from 60s to 7d, such as 30m or 2h")
    return seconds


def _run_id(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run-id", metavar="ID", help="default: the pipeline's only live run")


def _part_of_steps(command: argparse.ArgumentParser) -> None:
    """Add the options that choose steps of a whole run, and that run complete ones again."""
    command.add_argument("--only", metavar="NAMES", help="comma list: run these steps only")
    command.add_argument("--from", dest="first", metavar="NAME", help="this step and all that need it")
    command.add_argument("--until", dest="last", metavar="NAME", help="this step and all that it needs")
    command.add_argument("--again", action="store_true", help="run steps again that are complete")
    command.add_argument(
        "--again-once",
        metavar="ID",
        type=_request,
        help="--again, but for steps that were added with the same ID already: a task that was cleared, and "
        "its retries",
    )


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
    arguments = _parser().parse_args(argv[:end])
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
