"""The table of all kinds of faults. Docs and `emrbox fault kinds` are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.faults.kinds.calls import CALL_KINDS
from emrbox.faults.kinds.clusters import CLUSTER_KINDS
from emrbox.faults.kinds.events import EVENT_KINDS
from emrbox.faults.kinds.lifecycle import END_KINDS, LOG_KINDS, START_KINDS
from emrbox.faults.kinds.nodes import NODE_KINDS

if TYPE_CHECKING:
    from emrbox.faults.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kinds in (CALL_KINDS, START_KINDS, CLUSTER_KINDS, NODE_KINDS, END_KINDS, EVENT_KINDS, LOG_KINDS)
    for kind in kinds
}


def document() -> list[dict[str, Any]]:
    """Return the table as JSON."""
    return [
        {
            "kind": kind.name,
            "acts_on": str(kind.where),
            "does": kind.does,
            "clusters": kind.clusters,
            "count": kind.count,
            "parameters": {
                name: {"default": parameter.default, "meaning": parameter.meaning}
                for name, parameter in kind.parameters.items()
            },
            "source": kind.source,
        }
        for kind in KINDS.values()
    ]
