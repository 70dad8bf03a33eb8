"""Commands that switch something in a running box: `emrbox clock`, `hollow`, `delays`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emrbox import state
from emrbox.errors import BoxError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it so

Document = dict[str, Any]
TIMEOUT_SECONDS = 60.0
FIRST_ERROR_STATUS = 400


def ask(
    home: Path, page: str, change: Document | None = None, query: Mapping[str, str] | None = None
) -> Document:
    """GET a page of the running box, or POST `change` to it. BoxError says what it refused, and why."""
    import http.client  # noqa: PLC0415  # --help must be quick
    from urllib.parse import urlencode  # noqa: PLC0415  # as said above

    running = state.load(home)
    if running is None or not running.is_alive:
        raise BoxError("not running: emrbox up")
    path = f"/_emrbox/{page}" + (f"?{urlencode(query)}" if query else "")
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=TIMEOUT_SECONDS)
    try:
        if change is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(change), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        document: Document = json.loads(answer.read())
    except (OSError, ValueError) as problem:
        raise BoxError(f"the box does not answer ({problem}): emrbox logs") from problem
    finally:
        connection.close()
    if answer.status >= FIRST_ERROR_STATUS:
        raise BoxError(str(document.get("error", answer.status)))
    return document


def add_parsers(commands: Commands) -> None:
    """Add the commands to the parser of all."""
    clock = commands.add_parser("clock", help="the time of hollow clusters")
    actions = clock.add_subparsers(dest="action", metavar="show|advance|freeze|real")
    actions.add_parser("show", help="the time, and whether it stands still (the default)")
    advance = actions.add_parser("advance", help="move on; all that falls due is done on return")
    advance.add_argument("seconds", type=float)
    actions.add_parser("freeze", help="stand still")
    actions.add_parser("real", help="go on at the rate of real time, from where it is")
    hollow = commands.add_parser("hollow", help="clusters without nodes, whose steps are scripted")
    hollow.add_argument("all", nargs="?", choices=("on", "off"), help="take every launch for hollow, or not")
    hollow.add_argument(
        "--steps", metavar="FILE", help="a JSON list of {step, cluster, seconds, exit_code, …}"
    )
    delays = commands.add_parser("delays", help="how long starting and ending takes")
    delays.add_argument("profile", nargs="?", help="none, or real: as on AWS")
    delays.add_argument("--seed", type=int, default=0)
    delays.add_argument("--scale", type=float, default=1.0, help="0.1: ten times quicker")


def _show(document: Any) -> int:
    print(json.dumps(document, indent=2))  # noqa: T201  # a command line's output
    return 0


def _clock(home: Path, arguments: argparse.Namespace) -> int:
    changes: dict[str | None, Document | None] = {
        "advance": {"advance_seconds": getattr(arguments, "seconds", 0)},
        "freeze": {"frozen": True},
        "real": {"frozen": False},
    }
    return _show(ask(home, "clock", changes.get(arguments.action)))


def _hollow(home: Path, arguments: argparse.Namespace) -> int:
    change: Document = {}
    if arguments.all:
        change["all_launches"] = arguments.all == "on"
    if arguments.steps:
        change["steps"] = read_json(Path(arguments.steps))
    return _show(ask(home, "hollow", change or None))


def _delays(home: Path, arguments: argparse.Namespace) -> int:
    if arguments.profile is None:
        return _show(ask(home, "delays"))
    change = {"profile": arguments.profile, "seed": arguments.seed, "scale": arguments.scale}
    return _show(ask(home, "delays", change))


def read_json(file: Path) -> Any:
    """Read a JSON file that a person has written."""
    try:
        return json.loads(file.read_text())
    except ValueError as problem:
        raise BoxError(f"{file}: {problem}") from problem


COMMANDS: dict[str, Callable[[Path, argparse.Namespace], int]] = {
    "clock": _clock,
    "hollow": _hollow,
    "delays": _delays,
}
