"""The module emr_cluster_info: find clusters with their nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln import clusters

if TYPE_CHECKING:
    from kiln.context import Context
    from kiln.modules.options import Options


def work(context: Context, module: Any) -> Options:
    """Find clusters by id, or by the tags of their run."""
    options = module.params
    if options["cluster_id"]:
        found = [context.effects.describe_cluster(options["cluster_id"])]
    else:
        found = clusters.find(
            context, options["environment"], options["pipeline"], options["run_id"], options["states"]
        )
    if options["one"] and len(found) != 1:
        raise clusters.not_one(found, options["environment"], options["pipeline"], options["run_id"])
    shown = [
        clusters.described(one)
        | {
            "tags": dict(one.tags),
            "instances": [msgspec.to_builtins(node) for node in context.effects.list_instances(one.id)],
        }
        for one in found
    ]
    return {"changed": False, "clusters": shown}
