"""The work of the action emr_node_apply: from its arguments to the result that Ansible shows.

What asks AWS, or fetches wheels, is imported where it is needed: often nothing of it is.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kiln import advice
from kiln.ansible_modules.node_progress import Progress
from kiln.ansible_modules.node_run import Run  # noqa: TC001  # msgspec reads the types of fields
from kiln.ansible_modules.report import failure
from kiln.errors import KilnError, PlaybookError, UsageError
from kiln.nodes import definition, fan_out, results
from kiln.nodes.definition import Environment, Item, Release, Secrets
from kiln.nodes.environment_source import EnvironmentSource
from kiln.nodes.work import Limits, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.ansible_modules.node_delivery import Delivery
    from kiln.aws.context import Context
    from kiln.nodes.connections import Connection
    from kiln.nodes.results import NodeResult

# One program at a time works on a node, by a lock in this folder. A file of secrets is replaced without it.
_FOLDER = "/opt/kiln"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of the action. `cache_dir` keeps wheels, `checkout` has the lock files.

    `run` is the run whose ledger remembers what the nodes have; None for nodes of no run. More nodes than
    `push_limit` fetch the release from S3.
    """

    items: list[Any]
    environment: str
    region: str
    checkout: str
    cache_dir: str
    profile: str = ""
    aws_config_file: str = ""
    connect_timeout_seconds: float = 60
    timeout_seconds: float = 1800
    silence_timeout_seconds: float = 60
    push_limit: int = 50
    run: Run | None = None


def options(arguments: dict[str, Any]) -> Options:
    """Return the arguments. Raises UsageError."""
    try:
        # Ansible's texts and lists are of types of its own.
        return msgspec.convert(json.loads(json.dumps(arguments)), Options, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(f"emr_node_apply: {error}", fix="correct the task") from None


def apply(
    given: Options,
    items: Sequence[Item],
    connections: Sequence[Connection],
    secrets_of: Callable[[Secrets], dict[str, str]],
    *,
    check: bool,
) -> dict[str, Any]:
    """Apply the items on all nodes at once, and return Ansible's result. Raises KilnError before that."""
    source = _environment_source(given, items)
    delivery = None if check else _delivery(given, items, len(connections))
    if delivery:
        delivery.begin()
    labels = tuple(definition.label(item) for item in items)
    work = Work(
        labels=labels,
        on_item=Progress(labels, len(connections)),
        definition={
            "check": check,
            "folder": "" if all(isinstance(item, Secrets) for item in items) else _FOLDER,
            "items": delivery.documents() if delivery else [definition.document_of(item) for item in items],
        },
        blobs=_blobs(items, secrets_of),
        limits=Limits(
            connect_seconds=given.connect_timeout_seconds,
            silence_seconds=given.silence_timeout_seconds,
            seconds=given.timeout_seconds,
        ),
        environment=source,
    )
    nodes = asyncio.run(fan_out.apply(connections, work))
    result = result_of(work.labels, nodes, source.error if source else None)
    if delivery is None:
        return result
    from kiln.ansible_modules import node_record  # noqa: PLC0415  nodes of no run have no ledger

    try:
        node_record.remember(_context(given), given.environment, delivery.run, items, nodes)
        if not result.get("failed"):
            delivery.finish()
    except KilnError as error:
        # What has failed on a node comes first.
        return result if result.get("failed") else result | failure(error)
    return result


def _delivery(given: Options, items: Sequence[Item], nodes: int) -> Delivery | None:
    """Return what else is done with the items of a run; nodes of no run have none."""
    if given.run is None:
        return None
    from kiln.ansible_modules.node_delivery import Delivery  # noqa: PLC0415  only for nodes of a run

    return Delivery(
        items=items,
        environment=given.environment,
        run=given.run,
        by_s3=nodes > given.push_limit,
        effects=lambda: _context(given).effects,
    )


def _blobs(items: Sequence[Item], secrets_of: Callable[[Secrets], dict[str, str]]) -> dict[str, bytes | Path]:
    blobs: dict[str, bytes | Path] = {}
    for item in items:
        blobs |= definition.contents(item)
        if isinstance(item, Release):
            blobs["release"] = Path(item.archive)
        elif isinstance(item, Secrets):
            blobs["secrets"] = (json.dumps(secrets_of(item), indent=4, sort_keys=True) + "\n").encode()
    return blobs


def _environment_source(given: Options, items: Sequence[Item]) -> EnvironmentSource | None:
    environments = [item for item in items if isinstance(item, Environment)]
    if not environments:
        return None
    from kiln.nodes.archives import S3Archives  # noqa: PLC0415  only for the Python environment

    archives = S3Archives(
        item=environments[0],
        environment=given.environment,
        checkout=Path(given.checkout),
        cache=Path(given.cache_dir),
        effects=lambda: _context(given).effects,
    )
    return EnvironmentSource(archives)


def _context(given: Options) -> Context:
    # Not every apply asks AWS.
    from kiln.aws.boto import Boto  # noqa: PLC0415
    from kiln.aws.context import Context  # noqa: PLC0415
    from kiln.clock import SystemClock  # noqa: PLC0415

    config_file = Path(given.aws_config_file) if given.aws_config_file else None
    aws = Boto(region=given.region, profile=given.profile, config_file=config_file)
    return Context(aws=aws, clock=SystemClock(), by_hand=advice.is_by_hand())


def result_of(labels: Sequence[str], nodes: Sequence[NodeResult], error: KilnError | None) -> dict[str, Any]:
    """Return what Ansible shows and registers: `summary` for people, `nodes` for programs."""
    summary = results.summary(labels, nodes)
    result = {
        "changed": any(item.state == "changed" for node in nodes for item in node.items),
        "summary": summary,
        "nodes": {
            node.node: {
                "state": node.state,
                "message": node.message,
                "items": [msgspec.to_builtins(item) for item in node.items],
            }
            for node in nodes
        },
        "diff": [
            {"prepared": f"{label} ({', '.join(names)}):\n{text}"}
            for label in labels
            for text, names in results.differences(label, nodes)
        ],
    }
    if error is not None:
        return result | failure(error)
    broken = results.failed(nodes)
    if not broken:
        return result | {"msg": "; ".join(summary)}
    more = f" (and {len(broken) - 1} more of {len(nodes)} nodes)" if len(broken) > 1 else ""
    return result | failure(
        PlaybookError(
            f"{broken[0].node}: {broken[0].problem}{more}",
            details=tuple(f"{node.node}: {node.problem}" for node in broken[1:]),
            fix="correct the cause and run the playbook again: it does what is missing",
        )
    )
