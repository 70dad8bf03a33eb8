"""`kiln list`: live clusters by their tags, past runs by their ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln import cli, clusters, ledger, paths, terminal
from kiln.clusters import described
from kiln.commands import world
from kiln.errors import KilnError
from kiln.settings import files, resolve
from kiln.settings.model import Account

if TYPE_CHECKING:
    import argparse

    from kiln.effects import Effects

_MOST_RUNS = 20


def main(arguments: argparse.Namespace) -> int:
    """List an environment's clusters and latest runs."""
    root = paths.checkout()
    question = resolve.Question(root=root, environment=arguments.env, pipeline=arguments.pipeline or "")
    account = resolve.part(question, Account)
    context = world.context_of(account)
    names = [arguments.pipeline] if arguments.pipeline else files.pipelines(root, arguments.env)
    live = [found for name in names for found in clusters.find(context, arguments.env, name)]
    runs = [run for name in names for run in _runs(context.effects, account, arguments.env, name)]
    runs.sort(key=lambda run: str(run["created_at"]), reverse=True)
    if cli.wants_json(arguments):
        document = {"version": 1, "kind": "list", "environment": arguments.env}
        world.print_json(document | {"clusters": [described(one) for one in live], "runs": runs[:_MOST_RUNS]})
        return 0
    terminal.out(f"{len(live)} live clusters" if len(live) != 1 else "1 live cluster")
    for cluster in live:
        terminal.out(f"  {cluster.tags.get('pipeline')}  {clusters.line(cluster)}")
    for run in runs[:_MOST_RUNS]:
        terminal.out(f"  {run['created_at']}  {run['pipeline']}  {run['run_id']}  {run['verdict']}")
    return 0


def _runs(effects: Effects, account: Account, environment: str, pipeline: str) -> list[dict[str, Any]]:
    """Read a pipeline's latest ledgers; one that cannot be read is listed as such."""
    prefix = ledger.folder(account.kiln_state_uri, environment, pipeline)
    found = sorted(effects.list_objects(prefix), key=lambda one: one.modified_at, reverse=True)
    runs = []
    for one in found[:_MOST_RUNS]:
        row: dict[str, Any] = {
            "pipeline": pipeline,
            "run_id": one.uri.removeprefix(prefix).removesuffix(".json"),
        }
        stored = effects.get_object(one.uri)
        try:
            if stored is None:
                continue
            run = ledger.decode(stored, one.uri)
        except KilnError:
            runs.append(row | {"created_at": "", "verdict": "unreadable", "exit_code": None})
        else:
            runs.append(
                row | {"created_at": run.created_at, "verdict": run.verdict, "exit_code": run.exit_code}
            )
    return runs
