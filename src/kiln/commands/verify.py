"""`kiln verify`: a table of what every node of a run has, and exit 13 when one of them differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln import paths, phases
from kiln.commands import chosen, shared
from kiln.display import failure, node_table, terminal
from kiln.display.node_table import Row
from kiln.emr import states
from kiln.errors import ClusterNotFoundError, KilnError
from kiln.exit_codes import ExitCode
from kiln.playbooks.runner import AnsibleRunner
from kiln.playbooks.supervision import Supervision
from kiln.reporter import Silent
from kiln.runs import node_gate
from kiln.settings.ansible_values import Question
from kiln.stop import Stop

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from kiln.aws.effects import Instance
    from kiln.commands.chosen import Chosen
    from kiln.ledger.schema import Run
    from kiln.playbooks.events import NodeSeen

_SECONDS = 600.0
# An item's state in check mode -> what the table says.
_WORDS = {"ok": "ok", "changed": "differs", "failed": "failed"}
_SECRETS = "secrets"


def main(arguments: argparse.Namespace) -> int:
    """Show the table."""
    asked = chosen.run(arguments)
    run = _deployed_run(asked)
    wanted, notes = _wanted(
        run, has_vault=paths.vault_password_file(paths.checkout(), arguments.env).is_file()
    )
    cluster_id = str(run.deployed_cluster_id)
    nodes = asked.context.effects.list_instances(cluster_id)
    running = [one for one in nodes if one.state == states.NODE_RUNNING]
    if not running:
        raise ClusterNotFoundError(f"cluster {cluster_id} has no running node", fix="run the pipeline again")
    extra = tuple(shared.absolute(one) for one in arguments.extra)
    seen = _seen(asked, msgspec.structs.replace(run, deployed_items=wanted), extra)
    rows = [_row(one, wanted, seen.get(one.private_ip_address)) for one in running]
    code = ExitCode.PROVISION if any(row.differs for row in rows) else ExitCode.OK
    fix = paths.command(
        "run", run.pipeline, "provision,deploy", "--env", run.environment, "--run-id", run.run_id
    )
    if failure.wants_json(arguments):
        terminal.out_json(_document(run, rows, wanted, code, fix))
        return int(code)
    for line in node_table.lines(rows, wanted):
        terminal.out(line)
    for note in notes:
        terminal.err(f"note: {note}")
    if code:
        terminal.err(f"kiln: {_count(rows)} of {len(rows)} nodes of cluster {cluster_id} differ")
        terminal.err(f"  fix: {fix}")
    return int(code)


def _deployed_run(asked: Chosen) -> Run:
    run = asked.known.run
    if run is None or not run.deployed_items or not run.deployed_cluster_id:
        identity = asked.known.identity
        raise ClusterNotFoundError(
            f"run {identity.run_id} has put nothing on nodes that its ledger knows of"
            + (f" ({asked.known.problem})" if asked.known.problem else ""),
            fix=paths.command(
                "run",
                identity.pipeline,
                "provision,deploy",
                "--env",
                identity.environment,
                "--run-id",
                identity.run_id,
            ),
        )
    return run


def _wanted(run: Run, *, has_vault: bool) -> tuple[dict[str, str], list[str]]:
    """Return what is compared, and what people should know about it."""
    if has_vault or _SECRETS not in run.deployed_items:
        return run.deployed_items, []
    without = {label: value for label, value in run.deployed_items.items() if label != _SECRETS}
    return without, ["secrets are not compared: this machine has no password of the vault"]


def _seen(asked: Chosen, run: Run, extra: tuple[str, ...]) -> dict[str, NodeSeen]:
    """Ask every node, in check mode. Nodes that fail are in the answer; another failure is raised."""
    identity, root = asked.known.identity, paths.checkout()
    question = Question(
        root=root,
        environment=identity.environment,
        pipeline=identity.pipeline,
        extra=extra,
        run_id=identity.run_id,
    )
    runner = AnsibleRunner(
        root=root,
        inventory=root / "inventory" / identity.environment,
        folder=paths.run_folder(root, identity.run_id),
        environment=shared.environment_of(asked.access),
        vault_password_file=paths.vault_password_file(root, identity.environment),
    )
    found: dict[str, NodeSeen] = {}

    def keep(nodes: Mapping[str, NodeSeen]) -> None:
        found.update(nodes)

    arguments = [*question.arguments(), *node_gate.arguments_of(run), "--check"]
    supervision = Supervision(reporter=Silent(), stop=Stop(), seconds=_SECONDS, on_nodes=keep)
    try:
        runner.run(phases.NODES, arguments, supervision)
    except KilnError:
        if not found:
            raise
    return found


def _row(node: Instance, wanted: Mapping[str, str], seen: NodeSeen | None) -> Row:
    items, message = {}, "it was not asked: it joined just now"
    if seen is not None:
        message = seen.message
        is_dead = seen.state == "unreachable" or not seen.items
        words = {label: _WORDS.get(seen.items.get(label, ""), "not reached") for label in wanted}
        items = dict.fromkeys(wanted, "unreachable") if is_dead else words
    return Row(node.private_ip_address, node.ec2_instance_id, node.group, items, message)


def _count(rows: list[Row]) -> int:
    return sum(row.differs for row in rows)


def _document(
    run: Run, rows: list[Row], wanted: Mapping[str, str], code: ExitCode, fix: str
) -> dict[str, Any]:
    nodes = [
        {
            "node": row.address,
            "instance_id": row.instance_id,
            "group": row.group,
            "differs": row.differs,
            "items": row.items,
            "message": row.message,
        }
        for row in rows
    ]
    return {
        "version": 1,
        "kind": "verify",
        "run_id": run.run_id,
        "cluster_id": run.deployed_cluster_id,
        "exit_code": int(code),
        "expected": dict(wanted),
        "nodes": nodes,
        "fix": fix if code else "",
    }
