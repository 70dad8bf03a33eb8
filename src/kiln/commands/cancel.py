"""`kiln cancel`: end a step, or all of a run's steps and what would follow. It ends no cluster itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from kiln import paths, phases, run_ids
from kiln.commands import shared
from kiln.display import failure, terminal
from kiln.emr.states import Verdict
from kiln.errors import DeadlineError
from kiln.ledger import drivers
from kiln.ledger.store import Ledger
from kiln.runs.cancellation import Cancellation
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Access

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from kiln.runs.cancellation import Cancelled


def main(arguments: argparse.Namespace) -> int:
    """Cancel what the command line names."""
    run_id = run_ids.given(arguments.run_id, os.environ)
    question = Question(root=paths.checkout(), environment=arguments.env, pipeline=arguments.pipeline)
    access = resolve.part(question, Access)
    context = shared.context_of(access)
    known = shared.find_run(context, access, arguments.env, arguments.pipeline, run_id)
    found: list[Cancelled] = []
    if not _is_over(known):
        ledger = Ledger(context.effects, context.clock, access.kiln_state_uri, known.identity)
        live = [cluster.id for cluster in known.found]
        kill = shared.killer(lambda: access)
        found = Cancellation(context=context, ledger=ledger, kill=kill).cancel(live, arguments.step)
    _refuse_what_goes_on(known, found)
    _show(arguments, known, found, ends=_ends(known, context.clock.now()))
    return 0


def _is_over(known: shared.Known) -> bool:
    """Return whether the run has ended and nobody works on it: nothing of it can be cancelled."""
    run = known.run
    return run is not None and not known.is_live and not run.drivers and run.verdict != Verdict.RUNNING.value


def _refuse_what_goes_on(known: shared.Known, found: list[Cancelled]) -> None:
    """Raise DeadlineError when a step has not ended."""
    left = [one for one in found if one.problem]
    if left:
        names = (known.identity.pipeline, phases.TERMINATE.name, "--env", known.identity.environment)
        raise DeadlineError(
            f"step {', '.join(one.name for one in left)} has not ended: {left[0].problem}",
            fix=f"try again; it ends with its cluster at the latest: {paths.command('run', *names)}",
            details=tuple(_line(one) for one in found),
        )


def _line(one: Cancelled) -> str:
    return f"step {one.name} ({one.id}) on cluster {one.cluster_id}: {one.state}"


def _ends(known: shared.Known, now: datetime) -> bool:
    """Return whether a command that works on the run ends its clusters when it sees the request."""
    of_run = known.run.drivers if known.run else []
    return any(one.whole and not drivers.is_dead(one, known.aws_now or now) for one in of_run)


def _show(arguments: argparse.Namespace, known: shared.Known, found: list[Cancelled], *, ends: bool) -> None:
    if failure.wants_json(arguments):
        names = msgspec.to_builtins(known.identity) | {"clusters": [one.id for one in known.found]}
        head = {"version": 1, "kind": "cancel", "whole": arguments.step is None}
        terminal.out_json(head | names | {"steps": msgspec.to_builtins(found)})
        return
    for one in found:
        terminal.out(_line(one))
    run_id = known.identity.run_id
    if not found:
        terminal.out(f"run {run_id}: no {'such ' if arguments.step else ''}step is active")
    if arguments.step is None:
        live = ", ".join(one.id for one in known.found) or "none"
        own = ends and not (known.run and known.run.shared_cluster_id)
        clusters = f"its command ends its clusters: {live}" if own else f"clusters that stay: {live}"
        terminal.out(f"run {run_id}: nothing more is begun in it; {clusters}")
