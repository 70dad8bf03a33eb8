"""The one live cluster that `hold`, `ssh` and `tunnel` are about."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from kiln import paths, run_ids
from kiln.commands import shared
from kiln.emr import finding
from kiln.ledger.store import Ledger
from kiln.settings import resolve
from kiln.settings.ansible_values import Question
from kiln.settings.model import Account

if TYPE_CHECKING:
    import argparse

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.identity import Identity

A = TypeVar("A", bound=Account)


class Live(NamedTuple, Generic[A]):
    """A live cluster, and the settings of its account that the command needs."""

    context: Context
    account: A
    cluster: Cluster

    def ledger(self, run: Identity) -> Ledger:
        """Return the ledger of a run."""
        return Ledger(self.context.effects, self.context.clock, self.account.kiln_state_uri, run)


def find(arguments: argparse.Namespace, kind: type[A]) -> Live[A]:
    """Return the cluster of the run that the command line names, or the pipeline's only live one.

    Raises ClusterNotFoundError (18) for none and for several.
    """
    run_id = run_ids.given(arguments.run_id, os.environ)
    question = Question(root=paths.checkout(), environment=arguments.env, pipeline=arguments.pipeline)
    account = resolve.part(question, kind)
    context = shared.context_of(account)

    def ledger_of(run: Identity) -> Ledger:
        return Ledger(context.effects, context.clock, account.kiln_state_uri, run)

    found = finding.only(context, arguments.env, arguments.pipeline, run_id, ledger_of)
    return Live(context, account, found)
