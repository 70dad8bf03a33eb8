"""Commands about runs and clusters that there are: `kiln status`, `list`, `reap`, `logs` and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.arguments import command_line, texts, values

if TYPE_CHECKING:
    import argparse

    from kiln.arguments.command_line import Parser


# Past runs that `list` shows: a screen.
_RUNS = 20


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    command_line.add_for_run(commands, "status", "what a pipeline's run is doing")

    listing = command_line.add(commands, "list", "live clusters and past runs of an environment")
    listing.add_argument("pipeline", metavar="PIPELINE", nargs="?")
    listing.add_argument(
        "-n",
        "--limit",
        metavar="N",
        type=values.count,
        default=_RUNS,
        help=f"past runs to show, the latest first (default: {_RUNS})",
    )

    listing.add_argument(
        "--active-steps",
        action="store_true",
        help="the active steps of live clusters in place of past runs: one call, and one for each cluster",
    )

    reap = command_line.add(
        commands, "reap", "what was left running in an environment, and its end", texts.REAP
    )
    reap.add_argument("--yes", action="store_true", help="end it; without this nothing is changed")

    hold = command_line.add_for_run(commands, "hold", "keep a run's cluster for debugging, for some time")
    hold.add_argument(
        "--for",
        dest="seconds",
        metavar="DURATION",
        type=values.hold,
        help="from now on, such as 30m or 2h; at most 7d (default: kiln_hold_seconds)",
    )

    ssh = command_line.add_for_run(
        commands, "ssh", "a shell on a node of a run's cluster, or one command there", texts.SSH
    )
    ssh.add_argument("--node", metavar="NAME|ID", default="master", help="default: master")
    tunnel = command_line.add(
        commands, "tunnel", "the web pages of what runs, on ports of this machine", texts.TUNNEL
    )
    tunnel.add_argument("pipeline", metavar="PIPELINE", nargs="?")
    command_line.add_run_id(tunnel)
    tunnel.add_argument(
        "--port",
        metavar="LOCAL",
        type=values.port,
        help="first of the ports here, one a page (default: the pages' own, or free ones)",
    )

    verify = command_line.add_for_run(
        commands, "verify", "what each node of a run has, compared with the others", texts.VERIFY
    )
    command_line.add_extra(verify)

    for name, text in (("logs", "a step's logs"), ("diagnose", "why a step failed, on one screen")):
        command = command_line.add_for_run(commands, name, text)
        command.add_argument("--step", metavar="NAME", help="default: the last step, or the one that failed")
        command.add_argument(
            "--try",
            metavar="N",
            dest="number",
            type=values.count,
            help="the Nth try of the step (1: the first)",
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

    cancel = command_line.add_for_run(commands, "cancel", "end a step or a whole run, and no cluster")
    cancel.add_argument("--step", metavar="NAME", help="only this step; default: the whole run")
