"""The module emr_step: add steps to a run's cluster, each once, and wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln.emr import add_steps, descriptions, ownership, step_endings, steps
from kiln.errors import ClusterNotFoundError
from kiln.ledger.store import Ledger
from kiln.settings import typed
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context
    from kiln.aws.effects import Step


def work(context: Context, module: Any) -> Options:
    """Run steps on a cluster, each once a run."""
    options = module.params
    given = [{key: value for key, value in one.items() if value is not None} for one in options["steps"]]
    wanted = typed.convert(given, tuple[StepSettings, ...], label="emr_step", key="steps")
    ledger = _ledger_of(context, options)
    return _check_steps(context, options, wanted, ledger) if module.check_mode else _run_steps(
        context, options, wanted, ledger
    )  # fmt: skip


def _ledger_of(context: Context, options: Options) -> Ledger:
    """Return the ledger of the run that the cluster is of, by its name and its tags."""
    cluster = context.effects.describe_cluster(options["cluster_id"])
    identity = ownership.identity_of(cluster)
    if identity is None:
        raise ClusterNotFoundError(
            f"cluster {cluster.id} is no cluster of Kiln's by its name and its tags",
            details=(descriptions.line(cluster),),
        )
    return Ledger(context.effects, context.clock, options["state_uri"], identity)


def _shown_step(seen: Step) -> Options:
    return {
        "id": seen.id,
        "name": seen.name,
        "state": seen.state,
        "failure": step_endings.failure_text(seen).removeprefix(": "),
    }


def _check_steps(
    context: Context, options: Options, wanted: tuple[StepSettings, ...], ledger: Ledger
) -> Options:
    shown, added = [], []
    for one in wanted:
        known = add_steps.attached(context, options["cluster_id"], one, ledger)
        shown.append(
            _shown_step(known) if known else {"id": "", "name": one.name, "state": "", "failure": ""}
        )
        if known is None:
            added.append(msgspec.to_builtins(steps.request(one)))
    return {
        "changed": bool(added),
        "steps": shown,
        "diff": {"before": {"steps": []}, "after": {"steps": added}},
    }


def _run_steps(
    context: Context, options: Options, wanted: tuple[StepSettings, ...], ledger: Ledger
) -> Options:
    shown, added = [], []
    for one in wanted:
        seen, new = add_steps.add(context, options["cluster_id"], one, ledger)
        if new:
            added.append(msgspec.to_builtins(steps.request(one)))
        if options["wait"]:
            seen = steps.run_to_end(
                context,
                options["cluster_id"],
                seen,
                ledger,
                timeout_seconds=one.timeout_seconds or options["timeout_seconds"],
                interval_seconds=options["poll_interval_seconds"],
            )
        shown.append(_shown_step(seen))
    return {
        "changed": bool(added),
        "steps": shown,
        "diff": {"before": {"steps": []}, "after": {"steps": added}},
    }
