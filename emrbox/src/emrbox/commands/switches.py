"""Commands that change a running box: `emrbox clock`, `hollow`, `delays`, `fault`, and `calls`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emrbox.box import state
from emrbox.client import Client
from emrbox.errors import BoxError
from emrbox.faults.kinds import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it so

Document = dict[str, Any]


def _box(home: Path) -> Client:
    return Client(state.running(home).endpoint)


def add_parsers(commands: Commands) -> None:
    """Add the commands to the parser of all."""
    clock = commands.add_parser("clock", help="the time of hollow clusters")
    actions = clock.add_subparsers(dest="action", metavar="show|advance|freeze|real")
    actions.add_parser("show", help="the time, and whether it is frozen (the default)")
    advance = actions.add_parser("advance", help="move it forward; all that was due is done on return")
    advance.add_argument("seconds", type=float)
    actions.add_parser("freeze", help="stop it")
    actions.add_parser("real", help="let it run at the rate of real time, from where it is")
    hollow = commands.add_parser("hollow", help="clusters without nodes, whose steps are scripted")
    hollow.add_argument("all", nargs="?", choices=("on", "off"), help="make all new clusters hollow, or not")
    hollow.add_argument(
        "--steps", metavar="FILE", help="a JSON list of {step, cluster, seconds, exit_code, …}"
    )
    delays = commands.add_parser("delays", help="how long clusters take to start and end")
    delays.add_argument("profile", nargs="?", help="none, or real: as on AWS")
    delays.add_argument("--seed", type=int, default=0)
    delays.add_argument("--scale", type=float, default=1.0, help="0.1: ten times quicker")
    fault = commands.add_parser("fault", help="inject errors and failures")
    _add_fault_parsers(fault.add_subparsers(dest="action", metavar="ACTION", required=True))
    calls = commands.add_parser(
        "calls", help="AWS API calls: caller, operation, result; filters are shell patterns"
    )
    for name in ("service", "operation", "principal", "client", "error", "status"):
        calls.add_argument(f"--{name}")
    calls.add_argument("--since", help="ISO 8601 time, or seconds back from now")
    calls.add_argument("--limit", type=int, default=50)
    calls.add_argument("-o", "--output", choices=("text", "json"), default="text")


def _add_fault_parsers(actions: Commands) -> None:
    actions.add_parser("list", help="list active faults, and how often each has acted")
    actions.add_parser("kinds", help="list the kinds of faults with their parameters")
    actions.add_parser("clear", help="remove all")
    remove = actions.add_parser("remove", help="remove one; its effects on nodes are undone")
    remove.add_argument("id")
    add = actions.add_parser("add", help="add one: emrbox fault add slow --operation 'List*' seconds=3")
    add.add_argument("kind")
    add.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the kind")
    for name in ("service", "operation", "cluster", "principal"):
        add.add_argument(f"--{name}", help="shell pattern")
    add.add_argument("--count", type=int, help="how often it acts")
    add.add_argument("--probability", type=float, help="probability that it acts, above 0 to 1")
    add.add_argument("--seed", type=int, help="seed of the random generator")


def _show(document: Any) -> int:
    print(json.dumps(document, indent=2))  # noqa: T201  # a command line's output
    return 0


def _change(home: Path, page: str, change: Document | None) -> int:
    """Change something and show what it is now; an empty change only shows it."""
    return _show(_box(home).post(page, **change) if change else _box(home).get(page))


def _clock(home: Path, arguments: argparse.Namespace) -> int:
    changes: dict[str | None, Document] = {
        "advance": {"advance_seconds": getattr(arguments, "seconds", 0)},
        "freeze": {"frozen": True},
        "real": {"frozen": False},
    }
    return _change(home, "clock", changes.get(arguments.action))


def _hollow(home: Path, arguments: argparse.Namespace) -> int:
    change: Document = {}
    if arguments.all:
        change["all_launches"] = arguments.all == "on"
    if arguments.steps:
        change["steps"] = read_json(Path(arguments.steps))
    return _change(home, "hollow", change)


def _delays(home: Path, arguments: argparse.Namespace) -> int:
    if arguments.profile is None:
        return _change(home, "delays", None)
    change = {"profile": arguments.profile, "seed": arguments.seed, "scale": arguments.scale}
    return _change(home, "delays", change)


def _fault(home: Path, arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        return _change(home, "faults", None)
    if arguments.action == "kinds":
        _say_lines(_kind_lines(table.document()))
        return 0
    if arguments.action == "add":
        return _change(home, "faults", {"add": fault_document(arguments)})
    change = {"remove": arguments.id} if arguments.action == "remove" else {"clear": True}
    return _change(home, "faults", change)


def fault_document(arguments: argparse.Namespace) -> Document:
    """Return the fault of the command line as the API takes it."""
    names = ("service", "operation", "cluster", "principal", "count", "probability", "seed")
    document: Document = {"kind": arguments.kind}
    document |= {n: getattr(arguments, n) for n in names if getattr(arguments, n) is not None}
    parameters: Document = {}
    for pair in arguments.parameters:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BoxError(f"{pair}: write NAME=VALUE")
        parameters[name] = _typed(value)
    return {**document, "parameters": parameters}


def _typed(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _kind_lines(found: list[Document]) -> Iterator[str]:
    for kind in found:
        yield f"{kind['kind']:20} {kind['does']} ({kind['clusters']} clusters)"
        for name, parameter in kind["parameters"].items():
            yield f"{'':22}{name}={parameter['default']}: {parameter['meaning']}"


def _calls(home: Path, arguments: argparse.Namespace) -> int:
    names = ("service", "operation", "principal", "client", "error", "status", "since", "limit")
    query = {name: str(v) for name in names if (v := getattr(arguments, name)) is not None}
    found = _box(home).get("calls", **query)
    if arguments.output == "json":
        return _show(found)
    _say_lines(
        f"{call['time']}  {call['status']:3}  {call['service']}:{call['operation']}  {call['error'] or '-'}  "
        f"{call['milliseconds']} ms  {call['principal'] or '-'}  {(call['client'] or '-').split()[0]}"
        for call in reversed(found["calls"])
    )
    return 0


def _say_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201  # a command line's output


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
    "fault": _fault,
    "calls": _calls,
}
