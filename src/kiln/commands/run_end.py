"""`kiln run PIPELINE terminate`: works with the account's settings alone, however broken the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kiln import phases
from kiln.commands import shared
from kiln.commands.job import Job
from kiln.display import failure, terminal
from kiln.emr import clusters, finding
from kiln.emr.states import Verdict
from kiln.errors import KilnError
from kiln.identity import Identity
from kiln.ledger import drivers
from kiln.ledger.locks import LockStore
from kiln.ledger.store import Ledger
from kiln.runs import limits, selection
from kiln.runs.result import Result
from kiln.settings import resolve
from kiln.settings.model import Access, Ending

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.commands.run_session import Session
    from kiln.settings.ansible_values import Question

_SEARCH_SECONDS = 10.0


def end(session: Session, question: Question) -> int:
    """End the run's cluster; a pipeline without a live cluster is fine."""
    account = resolve.part(question, Ending)
    context = session.context(account)
    session.stop.check()
    if question.run_id is None:
        run_id = _only_live_run(context, question) or _run_between(context, account, question)
        if run_id is None:
            return _nothing_to_end(session)
        question = msgspec.structs.replace(question, run_id=run_id)
    job = Job(
        question=question,
        account=account,
        selected=selection.make([phases.TERMINATE.name], ()),
        limits=limits.of_end(account),
        # Of no use to a run with clusters of its own, which ends also when these settings are broken.
        kill=shared.killer(lambda: resolve.part(question, Access)),
    )
    return session.execute(context, job)


def _only_live_run(context: Context, question: Question) -> str | None:
    """Return the id of the pipeline's only live run, or None. Raises ClusterNotFoundError for several."""
    whose = (question.environment, question.pipeline)
    of = finding.run_of_only(context, clusters.listed(context, *whose), *whose)
    return of.run_id if of else None


def _run_between(context: Context, account: Ending, question: Question) -> str | None:
    """Return the id of the pipeline's first run that a command works on, between two clusters of it.

    A lock that cannot be read leads to none.
    """
    bounded = context.within(_SEARCH_SECONDS)
    run = Identity(environment=question.environment, pipeline=question.pipeline, run_id="")
    where = (bounded.effects, bounded.clock, account.kiln_state_uri)
    try:
        for holder in LockStore(*where, run).read()[0].holders:
            ledger = Ledger(*where, msgspec.structs.replace(run, run_id=holder.run_id))
            if drivers.alive(ledger.read(), ledger.aws_now()):
                return holder.run_id
    except KilnError as error:
        context.report(f"whether a command works on the pipeline is not known: {error.message}")
    return None


def _nothing_to_end(session: Session) -> int:
    arguments = session.arguments
    message = f"pipeline {arguments.pipeline} has no live cluster in {arguments.env}: nothing to do"
    terminal.err(f"kiln: {message}")
    if failure.wants_json(arguments):
        nothing = Result(
            environment=arguments.env,
            pipeline=arguments.pipeline,
            run_id="",
            verdict=Verdict.NO_STEP.value,
            message=message,
        )
        terminal.out_json(nothing)
    return 0
