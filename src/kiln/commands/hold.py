"""`kiln hold`: keep a run's cluster for debugging, until a time that its tags name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.commands import live_cluster, notifying
from kiln.display import failure, terminal
from kiln.emr import holding
from kiln.errors import ClusterNotFoundError
from kiln.identity import of_name
from kiln.settings.model import Holding

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Hold the cluster of a run from now on; a hold that it has already is replaced."""
    live = live_cluster.find(arguments, Holding)
    run = of_name(live.cluster.name)
    if run is None:
        raise ClusterNotFoundError(f"cluster {live.cluster.id} has no name that Kiln gives")
    held = holding.hold(
        live.context, live.cluster, arguments.seconds or live.account.kiln_hold_seconds, live.ledger(run)
    )
    # Before the line of JSON, which Airflow takes as XCom when it is the last one.
    notifying.kept(live.context, live.account.kiln_state_uri, run, live.cluster, held.until)
    if failure.wants_json(arguments):
        head = {"version": 1, "kind": "hold", "environment": run.environment, "pipeline": run.pipeline}
        more = {"run_id": run.run_id, "cluster_id": live.cluster.id, "held_until": held.until}
        terminal.out_json(head | more)
    else:
        for line in held.lines:
            terminal.out(line)
    return 0
