"""The module emr_cluster: launch the cluster of a run or find it again, or end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln import clusters, endings, launches, run_ids, states
from kiln.errors import UsageError
from kiln.ledger import Ledger
from kiln.request import Identity, launch_request
from kiln.settings import check
from kiln.settings.model import ClusterShape

if TYPE_CHECKING:
    from kiln.context import Context
    from kiln.effects import Cluster
    from kiln.modules.options import Options


def work(context: Context, module: Any) -> Options:
    """Make sure that the cluster of a run exists, or that it is gone."""
    return _present(context, module) if module.params["state"] == "present" else _absent(context, module)


def _shape(options: Options) -> ClusterShape:
    fields = msgspec.structs.fields(ClusterShape)
    given = {field.name: options[field.name] for field in fields if options[field.name] is not None}
    given["tags"] = {key: str(value) for key, value in options["tags"].items()}
    missing = sorted(field.name for field in fields if field.required and field.name not in given)
    if missing:
        raise UsageError(f"a launch needs {', '.join(missing)}", fix="give these options to emr_cluster")
    try:
        return msgspec.convert(given, ClusterShape)
    except msgspec.ValidationError as error:
        raise check.wrong_value("emr_cluster", "", given, error) from error


def _waiting(options: Options) -> clusters.Waiting:
    return clusters.Waiting(
        timeout_seconds=options["wait_timeout_seconds"], interval_seconds=options["poll_interval_seconds"]
    )


def _present(context: Context, module: Any) -> Options:
    options = module.params
    run_id = run_ids.given(options["run_id"], {})
    if run_id is None or not options["owner"]:
        raise UsageError(
            "a launch needs run_id and owner", fix="name the run, and who is asked about its cluster"
        )
    identity = Identity(
        environment=options["environment"],
        pipeline=options["pipeline"],
        run_id=run_id,
        owner=options["owner"],
    )
    shape = _shape(options)
    ledger = Ledger(context.effects, context.clock, options["state_uri"], identity)
    request = launch_request(identity, shape, context.clock.now())
    if module.check_mode:
        known = launches.attached(context, identity, ledger)
        found, changed = known, known is None
    else:
        found, changed = launches.launch(context, identity, shape, ledger)
        if options["wait"]:
            found = launches.wait_until_up(context, found.id, _waiting(options))
    result: Options = {"changed": changed, "cluster": clusters.described(found) if found else {}}
    if changed:
        result |= {"request": request, "diff": {"before": {}, "after": request}}
    return result


def _absent(context: Context, module: Any) -> Options:
    options = module.params
    found = _to_end(context, options)
    if module.check_mode or not found:
        return {"changed": bool(found), "cluster": clusters.described(found[0]) if found else {}}
    for one in found:
        identity = Identity(
            environment=options["environment"],
            pipeline=options["pipeline"],
            run_id=one.tags.get("run_id", ""),
        )
        ledger = Ledger(context.effects, context.clock, options["state_uri"], identity)
        endings.end(context, one.id, ledger, _waiting(options))
    return {"changed": True, "cluster": clusters.described(context.effects.describe_cluster(found[0].id))}


def _to_end(context: Context, options: Options) -> list[Cluster]:
    """Return the clusters that are meant: the given one, the run's, or the pipeline's only one."""
    if options["cluster_id"]:
        one = context.effects.describe_cluster(options["cluster_id"])
        return [one] if one.state in states.CLUSTER_LIVE else []
    found = clusters.find(context, options["environment"], options["pipeline"], options["run_id"])
    if len(found) > 1 and not options["run_id"]:
        clusters.only(context, options["environment"], options["pipeline"])
    return found
