"""What the action emr_node_apply remembers about the nodes of a run: what each of them has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.ansible_modules import deployed
from kiln.ledger.deployed import Deployed
from kiln.nodes import definition, results
from kiln.nodes.definition import Environment, Release

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kiln.ansible_modules.node_run import Run
    from kiln.aws.context import Context
    from kiln.nodes.definition import Item
    from kiln.nodes.results import NodeResult

_DONE = frozenset({"ok", "changed"})


def remember(
    context: Context, environment: str, run: Run, items: Sequence[Item], nodes: Sequence[NodeResult]
) -> None:
    """Write what the nodes answered into the run's ledger. Raises what S3 and EMR answer."""
    options = {one: getattr(run, one) for one in ("pipeline", "run_id", "state_uri")}
    ledger = deployed.ledger_of(context, options | {"environment": environment}, "emr_node_apply")
    deployed.remember(context, ledger, _deployed(run, items, nodes))


def _deployed(run: Run, items: Sequence[Item], nodes: Sequence[NodeResult]) -> Deployed:
    prints = {definition.label(item): definition.fingerprint(item) for item in items}
    has = {run.instances[node.node]: _of_node(node, prints) for node in nodes if node.node in run.instances}
    # A node that has failed is seen to by the next one who provisions or deploys: nothing is said of all.
    is_whole = run.is_whole and not results.failed(nodes)
    return Deployed(
        cluster_id=run.cluster_id,
        commit=next((item.commit for item in items if isinstance(item, Release)), ""),
        environment=next((item.hash for item in items if isinstance(item, Environment)), ""),
        items=prints,
        nodes=has,
        is_whole=is_whole,
    )


def _of_node(node: NodeResult, prints: Mapping[str, str]) -> dict[str, str]:
    return {item.item: prints[item.item] for item in node.items if item.state in _DONE}
