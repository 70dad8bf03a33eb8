"""The work of the action emr_cluster_info: find clusters with their nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln import identity
from kiln.emr import clusters, descriptions, finding, ownership
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.identity import Identity


def work(context: Context, module: Any) -> Options:
    """Find clusters by id, or by the run that they are of."""
    options = module.params
    shown = [
        descriptions.described_for(one, _run_of(one, options))
        | {
            "tags": dict(one.tags),
            "instances": [msgspec.to_builtins(node) for node in context.effects.list_instances(one.id)],
        }
        for one in _found(context, options)
    ]
    return {"changed": False, "clusters": shown}


def _run_of(cluster: Cluster, options: Options) -> Identity | None:
    """Return the run that a cluster was found for: of an existing one that a run uses, that run."""
    of = ownership.identity_of(cluster)
    if not (options["one"] and options["run_id"]) or (of and of.run_id == options["run_id"]):
        return of
    return identity.Identity(
        environment=options["environment"], pipeline=options["pipeline"], run_id=options["run_id"]
    )


def _found(context: Context, options: Options) -> list[Cluster]:
    names = (options["environment"], options["pipeline"])
    if options["cluster_id"]:
        return [context.effects.describe_cluster(options["cluster_id"])]
    if not options["one"]:
        found = clusters.named(context, *names, options["run_id"], options["states"])
        return [one for one in found if ownership.identity_of(one)]
    return [finding.only(context, *names, options["run_id"], _ledgers(context, options["state_uri"]))]


def _ledgers(context: Context, state_uri: str | None) -> Callable[[Identity], Ledger] | None:
    if not state_uri:
        return None
    return lambda run: Ledger(context.effects, context.clock, state_uri, run)
