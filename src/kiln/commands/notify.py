"""`kiln notify`: send what a command could not send itself, such as a task of Airflow's that was killed."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from kiln import paths, run_ids
from kiln.commands import failed_phase, notifying, shared
from kiln.commands.notifying import Notifier
from kiln.display import failure, terminal
from kiln.emr import verdicts
from kiln.errors import ClusterNotFoundError, UsageError
from kiln.exit_codes import ExitCode
from kiln.identity import Identity
from kiln.notifications import caller, events, occasions
from kiln.notifications.caller import Caller
from kiln.notifications.occasion import Choice, Facts, Occasion
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Notifying

if TYPE_CHECKING:
    import argparse

    from kiln.aws.context import Context

_KILLED = "the task ended without a result: it was killed, or its worker was lost"


def main(arguments: argparse.Namespace) -> int:
    """Send a message about a task unless it was sent; exit 10 when one could not be sent."""
    named = run_ids.given(arguments.run_id, os.environ)
    if named is None and arguments.event != events.TEST:
        raise UsageError("no run named", fix="--run-id ID")
    question = Question(root=paths.checkout(), environment=arguments.env, pipeline=arguments.pipeline)
    account = resolve.part(question, Notifying)
    context = shared.context_of(account)
    run = Identity(environment=arguments.env, pipeline=arguments.pipeline, run_id=named or notifying.NO_RUN)
    notifier = Notifier(
        root=question.root,
        context=context,
        state_uri=account.kiln_state_uri,
        identity=run,
        rows=lambda: account.kiln_notifications,
    )
    occasion = _test(run) if arguments.event == events.TEST else _about_task(arguments, context, account, run)
    good = notifier.send(occasion)
    if not account.kiln_notifications:
        terminal.err("kiln: kiln_notifications is empty: nobody to notify")
    if failure.wants_json(arguments):
        head = {"version": 1, "kind": "notify", "environment": run.environment, "pipeline": run.pipeline}
        terminal.out_json(head | {"run_id": run.run_id, "event": arguments.event, "sent": good})
    return int(ExitCode.OK if good else ExitCode.PREFLIGHT)


def _test(run: Identity) -> Occasion:
    facts = Facts(identity=run, what="kiln notify")
    return Occasion((Choice(events.TEST, f"test/{secrets.token_hex(8)}"),), facts)


def _about_task(
    arguments: argparse.Namespace, context: Context, account: Notifying, run: Identity
) -> Occasion:
    """Return what is known of a failed task: from the ledger of its run, where that has it."""
    given = caller.of(os.environ)
    who = Caller(
        task=arguments.task or given.task,
        number=arguments.number or given.number,
        tries=given.tries,
        log_url=arguments.log_url or given.log_url,
    )
    if not who.task:
        raise UsageError("no task named", fix="--task NAME")
    choice = Choice(arguments.event, f"{arguments.event}/{who.key('')}")
    return Occasion((choice,), _facts(context, account, run, who))


def _facts(context: Context, account: Notifying, run: Identity, who: Caller) -> Facts:
    links = tuple(filter(None, (who.log_url,)))
    known = _known(context, account, run)
    if known is None:
        return Facts(
            identity=run,
            what=occasions.what(who, ()),
            task=who.described,
            cause=("no cluster and no ledger of this run: the task failed before it began anything",),
            links=links,
        )
    ledger, live = known.run, known.is_live
    phase = failed_phase.of_run(ledger, live=live)
    recorded = ledger if ledger and ledger.exit_code and not verdicts.is_outdated(ledger, live=live) else None
    cluster = known.found[-1] if known.found else None
    return Facts(
        identity=run,
        what=occasions.what(who, ()),
        task=who.described,
        cause=((recorded.message or _KILLED) if recorded else _KILLED,),
        phase=(recorded.failed_phase or "") if recorded else "",
        exit_code=occasions.code(recorded.exit_code or 0) if recorded else "",
        failure_class=recorded.failure_class if recorded else "",
        fix=phase.fix if phase and recorded else "",
        details=tuple(phase.details) if phase and recorded else (),
        cluster_id=cluster.id if cluster else "".join(known.cluster_ids[-1:]),
        cluster_state=cluster.state if cluster else "",
        commands=_commands(run, live=live),
        links=(*links, known.ledger_uri),
    )


def _commands(run: Identity, *, live: bool) -> tuple[str, ...]:
    found = occasions.reach(run, ("status", "diagnose", "logs", *(("ssh",) if live else ())))
    return (*found, *((occasions.end(run),) if live else ()))


def _known(context: Context, account: Notifying, run: Identity) -> shared.Known | None:
    try:
        return shared.find_run(context, account, run.environment, run.pipeline, run.run_id)
    except ClusterNotFoundError:
        return None
