"""`kiln tunnel`: the web pages of what runs on this machine, until Ctrl-C or until it has ended."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kiln.commands import tunnelled
from kiln.diagnosis import tunnel
from kiln.display import failure, terminal
from kiln.errors import InterruptedRunError, ThrottledError, UnansweredError
from kiln.stop import Stop

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.commands.tunnelled import Target
    from kiln.diagnosis.tunnel import Tunnel

# Between two looks at the cluster: a person with a browser is no reason to ask EMR more often.
_FEWEST_SECONDS = 15.0


def main(arguments: argparse.Namespace) -> int:
    """Open the tunnel, print the addresses, keep it open. Ctrl-C is its ordinary end: exit 0."""
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda came, _frame: stop.request(came))
    try:
        return _open(arguments, stop)
    except InterruptedRunError:
        terminal.err("kiln: tunnel closed")
        return 0


def _open(arguments: argparse.Namespace, stop: Stop) -> int:
    found = tunnelled.find(arguments)
    context = replace(found.context, stop=stop)
    pages = [page for target in found.targets for page in target.to.pages]
    ports = tunnel.local_ports(pages, arguments.port)
    with ExitStack() as stack:
        opened, rows, rest = [], [], iter(ports)
        for target in found.targets:
            own = [next(rest) for _ in target.to.pages]
            one = stack.enter_context(tunnel.opened(context, target.to, own))
            opened.append((target, one))
            rows += [_row(target, page, port) for page, port in zip(target.to.pages, own, strict=True)]
        _show(arguments, found.targets, rows)
        return _watch(context, opened, found.interval_seconds)


def _row(target: Target, page: tunnel.Page, port: int) -> dict[str, Any]:
    return {
        "name": page.name,
        "port": page.port,
        "address": f"http://{tunnel.LOOPBACK}:{port}{page.path}",
        "answers": tunnel.answers(port),
        "of": target.id,
    }


def _show(arguments: argparse.Namespace, targets: Sequence[Target], rows: Sequence[dict[str, Any]]) -> None:
    if failure.wants_json(arguments):
        cluster_id = next((one.id for one in targets if one.is_cluster), "")
        head = {"version": 1, "kind": "tunnel", "cluster_id": cluster_id}
        terminal.out_json(head | {"pages": list(rows)})
        return
    words = {one.id: one.words for one in targets}
    tokens = {one.id: one.token() for one in targets if sys.stdout.isatty()}
    for row in rows:
        note = "" if row["answers"] else f"  (nothing answers on port {row['port']} of {words[row['of']]})"
        token = tokens[row["of"]] if tokens else ""
        terminal.out_text(f"{row['name']:<22}{row['address']}{f'?token={token}' if token else ''}{note}\n")
    for one in targets:
        terminal.err(f"kiln: tunnel to {one.words} is open; Ctrl-C closes it")


def _watch(context: Context, opened: list[tuple[Target, Tunnel]], interval_seconds: float) -> int:
    """Keep the tunnels open until one of their machines has ended. Raises InterruptedRunError on a signal."""
    while True:
        context.clock.wait(max(interval_seconds, _FEWEST_SECONDS), context.stop.event)
        context.stop.check()
        for target, one in opened:
            try:
                ended = target.ended(context)
            except (ThrottledError, UnansweredError) as error:
                terminal.err(f"kiln: {error.message}")
                ended = ""
            if ended:
                terminal.err(f"kiln: {ended}: tunnel closed")
                return 0
            one.check()
