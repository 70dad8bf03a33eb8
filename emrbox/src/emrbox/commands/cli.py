"""The command line of emrbox."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox.commands import switches
from emrbox.errors import BoxError
from emrbox.paths import box_home

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_RUNNING = 3
# These make or remove nodes' files, which belong to many users: without root they run in a user namespace.
NEEDS_ROOT = frozenset({"up", "down", "images"})


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    main = argparse.ArgumentParser(
        prog="emrbox",
        description="A local AWS whose EMR clusters run for real, on nodes that are real, on this machine.",
        epilog=f"The box's state is in {box_home()}; another folder: $EMRBOX_HOME.",
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the box unless it runs; builds missing images first")
    commands.add_parser("down", help="end the box and everything in it")
    status = commands.add_parser("status", help="what runs (exit code 3: no box)")
    status.add_argument("-o", "--output", choices=("text", "json"), default="text")
    commands.add_parser("env", help='shell lines for other AWS clients: eval "$(emrbox env)"')
    logs = commands.add_parser("logs", help="the box's log")
    logs.add_argument("-f", "--follow", action="store_true", help="keep printing new lines")
    connect = commands.add_parser(
        "connect",
        help="stdin and stdout to a port of a node, for ssh -o ProxyCommand='emrbox connect %%h %%p'",
    )
    connect.add_argument("host", help="its address in the box")
    connect.add_argument("port", type=int)
    images = commands.add_parser("images", help="build, list or remove the images of nodes")
    images.add_argument(
        "action",
        choices=("build", "list", "prune"),
        help="build missing images, list them, or remove those that this version does not use",
    )
    switches.add_parsers(commands)
    return main


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; errors are one line on stderr."""
    arguments = _parse(argv)
    try:
        if os.geteuid() != 0 and arguments.command in NEEDS_ROOT:
            become_root(sys.argv[1:] if argv is None else argv)
        return _run(arguments)
    except BoxError as problem:
        print(f"emrbox: {problem}", file=sys.stderr)  # noqa: T201  # a command line's output
        return 1
    except BrokenPipeError:  # the reader has closed the pipe: emrbox logs | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as problem:
        words = ": ".join(str(word) for word in (problem.filename, problem.strerror) if word)
        print(f"emrbox: {words or problem}", file=sys.stderr)  # noqa: T201  # as above
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command in switches.COMMANDS:
        code = switches.COMMANDS[arguments.command](box_home(), arguments)
    else:
        code = COMMANDS[arguments.command](arguments)
    sys.stdout.flush()  # here, where BrokenPipeError is handled
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line. argparse leaves over NAME=VALUE arguments after an option."""
    commands = parser()
    arguments, rest = commands.parse_known_args(argv)
    if rest and (not hasattr(arguments, "parameters") or any(word.startswith("-") for word in rest)):
        commands.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.parameters += rest
    return arguments


def become_root(argv: Sequence[str]) -> None:
    """Continue as root of a new user namespace, with this user's range of /etc/subuid; does not return."""
    if shutil.which("newuidmap") is None:
        raise BoxError("without root, Debian's package uidmap is needed; or run it with sudo")
    mapping = ["unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--"]
    probe = subprocess.run([*mapping, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise BoxError(
            f"no user namespace for you ({probe.stderr.strip()}): see docs/emrbox.md, or run it with sudo"
        )
    # Java takes its user's home from the password file, where root's is not ours.
    os.environ["MAVEN_OPTS"] = f"{os.environ.get('MAVEN_OPTS', '')} -Duser.home={Path.home()}"
    command = [*mapping, sys.executable, "-m", "emrbox", *argv]
    os.execvp(command[0], command)  # noqa: S606  # argv, no shell


def _say(text: str) -> None:
    print(text)  # noqa: T201  # a command line's output


def _report(line: str) -> None:
    # One write a line: two images are built at a time.
    print(f"emrbox: {line}\n", end="", flush=True)  # noqa: T201  # a command line's output


def _up(_: argparse.Namespace) -> int:
    from emrbox.box import lifecycle  # noqa: PLC0415  # --help must be quick

    home = box_home()
    lifecycle.build_missing_images(home, _report)
    running = lifecycle.up(home)
    _say(
        f'emrbox: AWS endpoint {running.endpoint}, nodes in {running.network}; eval "$(emrbox env)" to use it'
    )
    return 0


def _down(_: argparse.Namespace) -> int:
    from emrbox.box.lifecycle import down  # noqa: PLC0415  # --help must be quick

    _say("emrbox: ended" if down(box_home()) else "emrbox: was not running")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from emrbox.commands.report import report, text  # noqa: PLC0415  # --help must be quick

    found = report(box_home())
    _say(json.dumps(found, indent=2) if arguments.output == "json" else text(found))
    return 0 if found["running"] else NOT_RUNNING


def _env(_: argparse.Namespace) -> int:
    from emrbox.commands.environment import shell_lines  # noqa: PLC0415  # --help must be quick

    for line in shell_lines(box_home(), os.environ):
        _say(line)
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    file = box_home() / "log" / "box.log"
    if not file.exists():
        raise BoxError("there is no log: no box was started here; emrbox up")
    follow = ["-F"] if arguments.follow else []
    return subprocess.run(["tail", "-n", "+1", *follow, str(file)], check=False).returncode


def _connect(arguments: argparse.Namespace) -> int:
    from emrbox.commands.connect import connect  # noqa: PLC0415  # --help must be quick

    connect(box_home(), arguments.host, arguments.port)
    return 0


def _images(arguments: argparse.Namespace) -> int:
    from emrbox.images import catalog  # noqa: PLC0415  # --help must be quick

    if arguments.action == "build":
        catalog.build(_report)
    if arguments.action == "prune":
        catalog.prune(_say)
    for recipe in catalog.recipes().all():
        if arguments.action == "list":
            _say(f"{recipe.kind:28} {'built' if recipe.is_built else 'missing':8} {recipe.path}")
    return 0


COMMANDS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "env": _env,
    "logs": _logs,
    "connect": _connect,
    "images": _images,
}
