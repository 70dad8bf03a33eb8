"""The module emr_step: add steps to a run's cluster, each once, and wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln.ansible_modules import reach
from kiln.ansible_modules.sharing import sharing
from kiln.ansible_modules.step_rows import step_rows
from kiln.ansible_modules.working import at_work
from kiln.emr import add_steps, descriptions, ownership, step_endings, steps
from kiln.emr.waiting import Waiting
from kiln.errors import ClusterNotFoundError, UsageError
from kiln.identity import Identity
from kiln.ledger.drivers import Work
from kiln.ledger.store import Ledger
from kiln.runs import tables
from kiln.runs.limits import Limits
from kiln.runs.step_graph import StepGraph
from kiln.settings import step_jars, step_needs
from kiln.step_programs import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Step
    from kiln.settings.model import StepSettings

_LABEL = "emr_step"


def work(context: Context, module: Any) -> Options:
    """Run steps on a cluster, each once a run."""
    options = module.params
    rows = step_rows(options, _LABEL)
    cluster = context.effects.describe_cluster(options["cluster_id"])
    identity = _identity_of(context, cluster, options)
    terms = step_jars.Terms(
        options["region"],
        options["model_repo_name"],
        options["spark_packages_allowed"],
        catalogue.folder(options["state_uri"], identity.environment),
    )
    wanted = step_jars.resolved(rows, terms, lambda _place: _LABEL)
    step_needs.check(wanted, _LABEL, concurrency=cluster.step_concurrency_level)
    ledger = Ledger(context.effects, context.clock, options["state_uri"], identity)
    if module.check_mode:
        return _check_steps(context, options, wanted, ledger)
    limits = Waiting(
        timeout_seconds=options["timeout_seconds"], interval_seconds=options["poll_interval_seconds"]
    )
    with at_work(context, ledger, Work([one.name for one in wanted]), limits=limits) as (own, own_ledger):
        return _run_steps(sharing(own, options, identity.environment), options, cluster, wanted, own_ledger)


def _identity_of(context: Context, cluster: Cluster, options: Options) -> Identity:
    """Return the run that a cluster is of, by its name and its tags, or the named run that shares it."""
    named = (options["environment"], options["pipeline"], options["run_id"])
    if all(named):
        asked = Identity(environment=named[0], pipeline=named[1], run_id=named[2])
        run = Ledger(context.effects, context.clock, options["state_uri"], asked).read()
        if run is not None and run.shares(cluster.id):
            return asked
    identity = ownership.identity_of(cluster)
    if identity is None:
        raise ClusterNotFoundError(
            f"cluster {cluster.id} is no cluster of Kiln's by its name and its tags",
            details=(descriptions.line(cluster),),
        )
    return identity


def _shown_step(wanted: StepSettings, seen: Step | None) -> Options:
    return {
        "id": seen.id if seen else "",
        "name": wanted.name,
        "state": seen.state if seen else "",
        "failure": step_endings.failure_text(seen).removeprefix(": ") if seen else "",
    }


def _check_steps(
    context: Context, options: Options, wanted: Sequence[StepSettings], ledger: Ledger
) -> Options:
    shown, added = [], []
    for one in wanted:
        known = None if options["again"] else add_steps.attached(context, options["cluster_id"], one, ledger)
        shown.append(_shown_step(one, known))
        if known is None:
            added.append(one)
    return _answer(shown, added)


def _run_steps(
    context: Context, options: Options, cluster: Cluster, wanted: Sequence[StepSettings], ledger: Ledger
) -> Options:
    if not options["wait"]:
        return _add_steps(context, options, cluster, wanted, ledger)
    graph = StepGraph(
        context=context,
        ledger=ledger,
        limits=Limits(
            terminate_seconds=0.0,
            interval_seconds=options["poll_interval_seconds"],
            step_seconds=options["timeout_seconds"],
        ),
        needs=step_needs.of(wanted),
        # Nobody has asked for the end of the cluster: a late step is cancelled.
        cancels=True,
        again={one.name for one in wanted} if options["again"] else (),
        kill=reach.killer(options),
    )
    found = {one.settings.name: one for one in graph.run(cluster, wanted)}
    complete = (name for name, one in found.items() if one.error is None)
    registered = tables.register(context.effects, tables.of_complete(wanted, complete), context.report)
    return _answer(
        [_shown_step(one, found[one.name].seen) for one in wanted],
        [one for one in wanted if found[one.name].added],
        changed=registered,
    )


def _add_steps(
    context: Context, options: Options, cluster: Cluster, wanted: Sequence[StepSettings], ledger: Ledger
) -> Options:
    """Add all steps at once: EMR runs them in the order of their needs, one at a time."""
    needs = step_needs.of(wanted)
    if cluster.step_concurrency_level > 1 and any(needs.values()):
        raise UsageError(
            f"{_LABEL}: wait is false, and {cluster.id} would run steps side by side that need each other",
            fix="leave wait at true, or launch with emr_cluster_step_concurrency_level 1",
        )
    shown, added = [], []
    for one in step_needs.ordered(wanted, needs):
        seen, new = add_steps.add(context, cluster.id, one, ledger, again=options["again"])
        shown.append(_shown_step(one, seen))
        added += [one] if new else []
    return _answer(shown, added)


def _answer(shown: list[Options], added: Sequence[StepSettings], *, changed: bool = False) -> Options:
    requests = [msgspec.to_builtins(steps.request(one)) for one in added]
    return {
        "changed": changed or bool(added),
        "steps": shown,
        "diff": {"before": {"steps": []}, "after": {"steps": requests}},
    }
