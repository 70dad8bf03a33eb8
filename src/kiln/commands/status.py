"""`kiln status`: one run, from AWS and from its ledger."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from kiln import paths, run_ids
from kiln.clock import timestamp
from kiln.commands import failed_phase, shared, working
from kiln.display import failure, terminal
from kiln.emr import clusters, evidence, states, step_endings, steps, tags, verdict_table, verdicts
from kiln.emr.descriptions import described
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Account

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step


def main(arguments: argparse.Namespace) -> int:
    """Show a run."""
    run_id = run_ids.given(arguments.run_id, os.environ)
    question = Question(root=paths.checkout(), environment=arguments.env, pipeline=arguments.pipeline)
    account = resolve.part(question, Account)
    context = shared.context_of(account)
    known = shared.find_run(context, account, arguments.env, arguments.pipeline, run_id)
    document = _document(context, known)
    if failure.wants_json(arguments):
        terminal.out_json(document)
    else:
        _show(document)
    return 0


def _document(context: Context, known: shared.Known) -> dict[str, Any]:
    found = [one for cluster_id in known.cluster_ids if (one := clusters.seen(context, cluster_id))]
    seen = [step for cluster in found for step in steps.of_run(context, known.run, cluster.id)]
    live = any(cluster.state in states.CLUSTER_LIVE and not known.has_left(cluster.id) for cluster in found)
    failed = failed_phase.of_run(known.run, live=live)
    shown = _shown(context, known, found, seen, live=live)
    return {
        "version": 1,
        "kind": "status",
        "environment": known.identity.environment,
        "pipeline": known.identity.pipeline,
        "run_id": known.identity.run_id,
        "verdict": shown.verdict,
        "failure_class": shown.failure_class,
        "live": live,
        "drivers": working.listed(known.run, known.aws_now or context.clock.now()),
        "message": _message(known, live=live),
        "held_until": _held_until(found, context.clock.now()),
        "clusters": [described(cluster) | {"reason": cluster.reason_message.strip()} for cluster in found],
        "steps": [
            {
                "name": step.name,
                "id": step.id,
                "state": step.state,
                "seconds": steps.seconds(step),
                "failure": step_endings.failure_text(step).removeprefix(": "),
            }
            for step in seen
        ],
        "phases": msgspec.to_builtins(known.run.phases) if known.run else [],
        "next": failed_phase.next_commands(known.identity, failed, live=live) if failed else [],
        "ledger": known.ledger_uri,
    }


def _shown(
    context: Context, known: shared.Known, found: list[Cluster], seen: list[Step], *, live: bool
) -> verdicts.Shown:
    """Return the run's verdict; without a ledger that of the steps that AWS lists."""
    if known.run is not None:
        return verdicts.shown(context, known.run, live=live)
    facts = tuple(evidence.step_fact(step) for step in seen)
    last = found[-1] if found else ""
    return verdicts.of_row(verdict_table.judge(evidence.of_cluster(context, last, steps=facts)))


def _held_until(found: list[Cluster], now: datetime) -> str:
    """Return until when a live cluster is held for debugging, empty for none."""
    live = [cluster for cluster in found if cluster.state in states.CLUSTER_LIVE]
    times = [at for cluster in live if (at := tags.held_until(cluster.tags, now))]
    return timestamp(max(times)) if times else ""


def _message(known: shared.Known, *, live: bool) -> str:
    """Return what the last command said about the run, unless the run went on since."""
    if known.run is None:
        return known.problem
    return "" if verdicts.is_outdated(known.run, live=live) else known.run.message


def _show(document: dict[str, Any]) -> None:
    terminal.out("run {run_id} of {pipeline} in {environment}: {verdict}".format_map(document))
    if document["failure_class"]:
        terminal.out(f"  class {document['failure_class']}")
    if document["message"]:
        terminal.out(f"  {document['message']}")
    for cluster in document["clusters"]:
        reason = f"  ({cluster['reason']})" if cluster["reason"] else ""
        terminal.out(f"  cluster {cluster['id']}  {cluster['state']}{reason}")
    if document["held_until"]:
        terminal.out(f"  held for debugging until {document['held_until']}")
    for driver in document["drivers"]:
        terminal.out(f"  command {driver['described']}, since {driver['started_at']}")
    for step in document["steps"]:
        took = f"  {step['seconds']:.0f} s" if step["seconds"] is not None else ""
        terminal.out(f"  step {step['name']} ({step['id']})  {step['state']}{took}")
    for phase in document["phases"]:
        terminal.out(f"  phase {phase['name']}  {phase['status']}  {phase['seconds']:.0f} s")
        if phase["message"] and phase["message"] != document["message"]:
            terminal.out(f"    {phase['message']}")
    for command in document["next"]:
        terminal.out(f"  next  {command}")
    terminal.out(f"  ledger {document['ledger']}")
