"""`kiln resume`: go on with a run that failed or whose driver died, from what is not complete."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from kiln import paths, run_ids
from kiln.commands import run, shared
from kiln.commands.run_session import Session
from kiln.errors import ClusterNotFoundError
from kiln.runs import selection, step_parts
from kiln.settings import resolve
from kiln.settings.model import Account

if TYPE_CHECKING:
    import argparse

    from kiln.settings.ansible_values import Question


def main(arguments: argparse.Namespace) -> int:
    """Go on with a run: a whole run with its id, on its cluster if that lives."""
    session = Session(arguments)
    with session.refusals_sent():
        return _resume(session)


def _resume(session: Session) -> int:
    arguments = session.arguments
    part = step_parts.asked(arguments)
    asked = run.question(arguments, session.root, ())
    meant = msgspec.structs.replace(asked, run_id=_run_id(session, asked))
    session.run_id = meant.run_id
    return run.execute(session, meant, lambda steps: selection.make((), steps, part), resumes=True)


def _run_id(session: Session, asked: Question) -> str:
    """Return the run that is named, else the only live one, else the latest. Raises ClusterNotFoundError."""
    arguments = session.arguments
    named = run_ids.given(arguments.run_id, os.environ)
    account = resolve.part(msgspec.structs.replace(asked, extra=(), run_id=None, date=None), Account)
    context = session.context(account)
    known = shared.find_run(context, account, asked.environment, asked.pipeline, named)
    if known.run is None:
        raise ClusterNotFoundError(
            f"run {known.identity.run_id} of {asked.pipeline} has no ledger that can be read: "
            f"what it has done is not known{f' ({known.problem})' if known.problem else ''}",
            fix=paths.command("run", asked.pipeline, "--env", asked.environment),
        )
    return known.identity.run_id
