"""`kiln hold`: keep a run's cluster for debugging, until a time that its tags name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kiln import paths, run_ids
from kiln.commands import shared
from kiln.display import failure, terminal
from kiln.emr import finding, holding
from kiln.errors import ClusterNotFoundError
from kiln.identity import of_name
from kiln.ledger.store import Ledger
from kiln.settings import resolve
from kiln.settings.model import Account

if TYPE_CHECKING:
    import argparse

    from kiln.identity import Identity


def main(arguments: argparse.Namespace) -> int:
    """Hold the cluster of a run from now on; a hold that it has already is replaced."""
    run_id = run_ids.given(arguments.run_id, os.environ)
    question = resolve.Question(root=paths.checkout(), environment=arguments.env, pipeline=arguments.pipeline)
    account = resolve.part(question, Account)
    context = shared.context_of(account)

    def ledger_of(run: Identity) -> Ledger:
        return Ledger(context.effects, context.clock, account.kiln_state_uri, run)

    cluster = finding.only(context, arguments.env, arguments.pipeline, run_id, ledger_of)
    run = of_name(cluster.name)
    if run is None:
        raise ClusterNotFoundError(f"cluster {cluster.id} has no name that Kiln gives")
    held = holding.hold(context, cluster, arguments.seconds, ledger_of(run))
    if failure.wants_json(arguments):
        head = {"version": 1, "kind": "hold", "environment": run.environment, "pipeline": run.pipeline}
        terminal.out_json(head | {"run_id": run.run_id, "cluster_id": cluster.id, "held_until": held.until})
    else:
        for line in held.lines:
            terminal.out(line)
    return 0
