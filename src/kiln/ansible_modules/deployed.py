"""The module emr_deployed: remember what was put on the nodes of a run's cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln import run_ids
from kiln.emr import clusters, tags
from kiln.errors import UsageError
from kiln.identity import Identity
from kiln.ledger import deployed
from kiln.ledger.store import Ledger
from kiln.settings import names

if TYPE_CHECKING:
    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context


def work(context: Context, module: Any) -> Options:
    """Write it into the run's ledger, and the commit into the cluster's tag too."""
    options = module.params
    ledger = ledger_of(context, options, "emr_deployed")
    what = deployed.Deployed(
        cluster_id=options["cluster_id"],
        commit=options["commit"],
        environment=options["environment_hash"],
        is_rollback=options["is_rollback"],
    )
    what.check()
    cluster = clusters.shown(context, what.cluster_id) if what.commit else None
    tagged = cluster is None or cluster.tags.get(tags.CODE_COMMIT) == what.commit
    if module.check_mode:
        run = ledger.read()
        return {"changed": not tagged or (run is not None and not what.is_in(run))}
    changed = deployed.record(ledger, what)
    if not tagged:
        context.effects.add_tags(what.cluster_id, {tags.CODE_COMMIT: what.commit})
    return {"changed": changed or not tagged}


def ledger_of(context: Context, options: Options, module: str) -> Ledger:
    """Return the ledger of the run that a module's options name. Raises UsageError."""
    run_id = run_ids.given(options["run_id"], {})
    if run_id is None:
        raise UsageError(f"{module} needs run_id", fix="name the run")
    identity = Identity(
        environment=names.check("environment", options["environment"]),
        pipeline=names.check("pipeline", options["pipeline"]),
        run_id=run_id,
    )
    return Ledger(context.effects, context.clock, options["state_uri"], identity)
