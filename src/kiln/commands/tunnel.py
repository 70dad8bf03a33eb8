"""`kiln tunnel`: the web pages of a run's cluster on this machine, until Ctrl-C or the end of the cluster."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kiln.commands import live_cluster, shared
from kiln.diagnosis import tunnel
from kiln.display import failure, terminal
from kiln.emr import clusters, node_choice, states
from kiln.emr.descriptions import end_of
from kiln.errors import InterruptedRunError, ThrottledError, UnansweredError
from kiln.settings.model import Access
from kiln.stop import Stop

if TYPE_CHECKING:
    import argparse

    from kiln.aws.context import Context
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
    live = live_cluster.find(arguments, Access)
    context = replace(live.context, stop=stop)
    master = node_choice.chosen(context, live.cluster.id)
    ports = tunnel.local_ports(arguments.port)
    ssh = shared.ssh_of(context, live.account, live.cluster.id).knowing([master])
    with tunnel.opened(context, ssh, master.private_ip_address, ports) as opened:
        _show(arguments, live.cluster.id, ports)
        return _watch(context, opened, live.cluster.id, live.account.kiln_poll_interval_seconds)


def _show(arguments: argparse.Namespace, cluster_id: str, ports: list[int]) -> None:
    pages: list[dict[str, Any]] = [
        {
            "name": page.name,
            "port": page.port,
            "address": f"http://127.0.0.1:{port}/",
            "answers": tunnel.answers(port),
        }
        for page, port in zip(tunnel.PAGES, ports, strict=True)
    ]
    if failure.wants_json(arguments):
        terminal.out_json({"version": 1, "kind": "tunnel", "cluster_id": cluster_id, "pages": pages})
        return
    for page in pages:
        note = "" if page["answers"] else f"  (nothing answers on port {page['port']} of the master)"
        terminal.out_text(f"{page['name']:<22}{page['address']}{note}\n")
    terminal.err(f"kiln: tunnel to the master of {cluster_id} is open; Ctrl-C closes it")


def _watch(context: Context, opened: Tunnel, cluster_id: str, interval_seconds: float) -> int:
    """Keep the tunnel open until the cluster ends. Raises InterruptedRunError on a signal."""
    while True:
        context.clock.wait(max(interval_seconds, _FEWEST_SECONDS), context.stop.event)
        context.stop.check()
        try:
            seen = clusters.seen(context, cluster_id)
        except (ThrottledError, UnansweredError) as error:
            terminal.err(f"kiln: {error.message}")
            seen = None
        if seen and seen.state not in states.CLUSTER_USABLE:
            terminal.err(f"kiln: {end_of(seen)}: tunnel closed")
            return 0
        opened.check()
