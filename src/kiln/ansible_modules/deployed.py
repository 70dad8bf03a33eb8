"""The module emr_deployed: remember what was put on the nodes of a run's cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln import run_ids
from kiln.errors import UsageError
from kiln.identity import Identity
from kiln.ledger import deployed
from kiln.ledger.store import Ledger
from kiln.settings import names

if TYPE_CHECKING:
    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context


def work(context: Context, module: Any) -> Options:
    """Write it into the run's ledger."""
    options = module.params
    run_id = run_ids.given(options["run_id"], {})
    if run_id is None:
        raise UsageError("emr_deployed needs run_id", fix="name the run")
    identity = Identity(
        environment=names.check("environment", options["environment"]),
        pipeline=names.check("pipeline", options["pipeline"]),
        run_id=run_id,
    )
    ledger = Ledger(context.effects, context.clock, options["state_uri"], identity)
    given = {"commit": options["commit"], "environment": options["environment_hash"]}
    if module.check_mode:
        run = ledger.read()
        changed = run is not None and not deployed.is_recorded(run, options["cluster_id"], **given)
    else:
        changed = deployed.record(ledger, options["cluster_id"], **given)
    return {"changed": changed}
