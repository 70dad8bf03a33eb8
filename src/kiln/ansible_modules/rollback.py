"""The module model_repo_rollback: which release of the model repo a rollback goes back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln.ansible_modules.deployed import ledger_of
from kiln.ledger import deployed
from kiln.model_repo import rollback

if TYPE_CHECKING:
    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context


def work(context: Context, module: Any) -> Options:
    """Return the commit. Changes nothing."""
    options = module.params
    run = ledger_of(context, options, "model_repo_rollback").read()
    active = deployed.commits_on(run, options["cluster_id"])
    nodes = {str(name): rollback.whole(found) for name, found in options["nodes"].items()}
    return {"changed": False, "commit": rollback.choose(active, nodes, options["release"])}
