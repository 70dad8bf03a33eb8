"""What was put on the nodes of a run's cluster, for its ledger and tag; and the module emr_deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln import run_ids
from kiln.emr import clusters, tags
from kiln.errors import UsageError
from kiln.identity import Identity
from kiln.ledger import deployed
from kiln.ledger.store import Ledger
from kiln.nodes.definition import RELEASE
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
        is_rollback=options["is_rollback"],
        items={RELEASE: options["commit"]},
        nodes={one: {RELEASE: options["commit"]} for one in options["instances"]},
    )
    return {"changed": remember(context, ledger, what, check=module.check_mode)}


def remember(context: Context, ledger: Ledger, what: deployed.Deployed, *, check: bool = False) -> bool:
    """Write it into the ledger and the tag; return whether one of them had something else.

    With `check` nothing is written. Raises UsageError, LedgerUnreadableError, and what AWS's answers raise.
    """
    what.check()
    cluster = clusters.shown(context, what.cluster_id) if what.commit and what.is_whole else None
    tagged = cluster is None or cluster.tags.get(tags.CODE_COMMIT) == what.commit
    if check:
        run = ledger.read()
        return not tagged or (run is not None and not what.is_in(run))
    changed = deployed.record(ledger, what)
    if not tagged:
        context.effects.add_tags(what.cluster_id, {tags.CODE_COMMIT: what.commit})
    return changed or not tagged


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
