"""`kiln hold`: keep a run's cluster for debugging, until a time that its tags name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kiln import run_ids
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
    asked = run_ids.given(arguments.run_id, os.environ)
    whose = (arguments.env, arguments.pipeline, asked or (run.run_id if run else ""))
    if run is None or (run.environment, run.pipeline, run.run_id) != whose:
        raise ClusterNotFoundError(
            f"cluster {live.cluster.id} is not the run's own: it stays without a hold",
            fix="use it: kiln ssh and kiln tunnel reach its nodes" if asked else "",
        )
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
