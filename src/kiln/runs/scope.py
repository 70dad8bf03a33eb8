"""The terms on which a command works just now: its context, and its ledger on the same terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.ledger.store import Ledger


@dataclass
class Scope:
    """Shared by all parts of an execution: with the run's deadline and signals, or with those of its end."""

    context: Context
    ledger: Ledger

    def use(self, context: Context) -> None:
        """Use this context from now on."""
        self.context = context
        self.ledger = self.ledger.on(context.effects)
