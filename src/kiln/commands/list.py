"""`kiln list`: live clusters by their names, past runs by their ledgers and AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kiln import paths
from kiln.aws.effects import MOST_OBJECTS
from kiln.commands import shared, working
from kiln.display import failure, terminal
from kiln.emr import active_steps, clusters, verdicts
from kiln.emr.descriptions import described, line
from kiln.errors import KilnError
from kiln.identity import Identity, name_of, of_name
from kiln.ledger import store
from kiln.ledger.schema import decode
from kiln.settings import inventories, resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Account

if TYPE_CHECKING:
    import argparse

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, ObjectSummary
    from kiln.emr.active_steps import ActiveSteps

# For how long AWS is asked about the ends of runs that recorded none. Each may take several throttled calls.
_VERDICT_SECONDS = 60.0


def main(arguments: argparse.Namespace) -> int:
    """List an environment's clusters and latest runs."""
    root = paths.checkout()
    question = Question(root=root, environment=arguments.env, pipeline=arguments.pipeline or "")
    account = resolve.part(question, Account)
    context = shared.context_of(account)
    if arguments.active_steps:
        return _active_steps(context, arguments)
    names = [arguments.pipeline] if arguments.pipeline else inventories.pipelines(root, arguments.env)
    live = clusters.named(context, arguments.env, arguments.pipeline)
    asked = Asked(account.kiln_state_uri, arguments.env, names, frozenset(one.name for one in live))
    past = past_runs(context, asked, arguments.limit)
    if failure.wants_json(arguments):
        document = {"version": 1, "kind": "list", "environment": arguments.env}
        rows = {"runs": past.rows, "runs_left_out": past.left_out, "problems": past.problems}
        terminal.out_json(document | {"clusters": [described(one) for one in live]} | rows)
        return 0
    _show(live, past)
    if past.left_out:
        every = [*names[: bool(arguments.pipeline)], "--env", arguments.env]
        shown = paths.command("list", *every, "--limit", str(len(past.rows) + past.left_out))
        terminal.err(f"{past.left_out} older runs are not shown; all: {shown}")
    return 0


def _active_steps(context: Context, arguments: argparse.Namespace) -> int:
    """Show which steps are active: all that somebody has to know who waits for many of them."""
    found = active_steps.of_environment(context, arguments.env, arguments.pipeline)
    rows = [_active(one) for one in found]
    if failure.wants_json(arguments):
        head = {"version": 1, "kind": "active_steps", "environment": arguments.env}
        terminal.out_json(head | {"clusters": rows})
        return 0
    for row in rows:
        terminal.out(f"{row['id']}  {row['state']}  {row['pipeline']}  {row['run_id']}")
        for step in row["steps"]:
            terminal.out(f"  {step['id']}  {step['state']}  {step['name']}")
    return 0


def _active(found: ActiveSteps) -> dict[str, Any]:
    return {
        "id": found.cluster.id,
        "state": found.cluster.state,
        "pipeline": found.run.pipeline,
        "run_id": found.run.run_id,
        "steps": [{"name": one.name, "id": one.id, "state": one.state} for one in found.steps],
    }


def _show(live: list[Cluster], past: Past) -> None:
    terminal.out(f"{len(live)} live clusters" if len(live) != 1 else "1 live cluster")
    for cluster in live:
        of = of_name(cluster.name)
        terminal.out(f"  {of.pipeline if of else ''}  {line(cluster)}")
    for run in past.rows:
        terminal.out(f"  {run['created_at']}  {run['pipeline']}  {run['run_id']}  {run['verdict']}")
        for driver in run["drivers"]:
            terminal.out(f"    command {driver['described']}")
    for problem in past.problems:
        terminal.err(f"note: {problem}")


class Asked(NamedTuple):
    """Whose past runs are listed; `live` are the names of the clusters that AWS has now."""

    state_uri: str
    environment: str
    pipelines: list[str]
    live: frozenset[str]


class Past(NamedTuple):
    """Past runs, the latest first, how many older ones are there, and what could not be read."""

    rows: list[dict[str, Any]]
    left_out: int
    problems: list[str]


class _Found(NamedTuple):
    """A ledger in S3."""

    pipeline: str
    run_id: str
    stored: ObjectSummary


def past_runs(context: Context, asked: Asked, limit: int) -> Past:
    """Read the latest ledgers. One that cannot be read is a row with the verdict `unreadable`.

    A run without a recorded end (playbooks, a killed driver) gets the verdict that follows from AWS.
    """
    found: list[_Found] = []
    problems = []
    for pipeline in asked.pipelines:
        prefix = store.folder(asked.state_uri, asked.environment, pipeline)
        stored = context.effects.list_objects(prefix)
        if len(stored) >= MOST_OBJECTS:
            problems.append(f"{prefix} has more ledgers than the first {MOST_OBJECTS} that were listed")
        names = [(one.uri.removeprefix(prefix), one) for one in stored]
        found += [_Found(pipeline, name[:-5], one) for name, one in names if name.endswith(".json")]
    # By S3's time: what stands in a damaged ledger must not decide which ones are shown.
    found.sort(key=lambda one: one.stored.modified_at, reverse=True)
    rows = []
    bounded = context.within(_VERDICT_SECONDS)
    for one in found[:limit]:
        row, problem = _row(context, bounded, asked, one)
        rows.append(row)
        problems += [problem] if problem else []
    return Past(rows, len(found) - len(rows), problems)


def _row(context: Context, bounded: Context, asked: Asked, one: _Found) -> tuple[dict[str, Any], str]:
    """Return one row, and what could not be read; `bounded` limits the time for its verdict."""
    row: dict[str, Any] = {"pipeline": one.pipeline, "run_id": one.run_id, "drivers": []}
    try:
        stored = context.effects.get_object(one.stored.uri)
        if stored is None:
            return row | {"created_at": "", "verdict": "removed", "exit_code": None}, ""
        run = decode(stored, one.stored.uri)
    except KilnError as error:
        return row | {"created_at": "", "verdict": "unreadable", "exit_code": None}, error.message
    row |= {"created_at": run.created_at, "exit_code": run.exit_code}
    row["drivers"] = working.listed(run, stored.read_at or context.clock.now())
    try:
        identity = Identity(environment=asked.environment, pipeline=one.pipeline, run_id=one.run_id)
        live = name_of(identity) in asked.live
        if verdicts.is_outdated(run, live=live):
            row["exit_code"] = None
        return row | {"verdict": verdicts.shown(bounded, run, live=live).verdict}, ""
    except KilnError as error:
        return row | {"verdict": run.verdict}, f"run {one.run_id} as its ledger has it: {error.message}"
