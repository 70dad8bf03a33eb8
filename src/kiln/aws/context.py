"""What functions that call AWS or wait are given: effects, clock, request to stop, where to report."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.effects import Effects
    from kiln.clock import Clock


def _discard(_line: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Context:
    """`report` gets one line per change; it is what a person sees below the running phase.

    `by_hand`: somebody runs a playbook, so errors advise ansible-playbook and not kiln.
    """

    effects: Effects
    clock: Clock
    stop: Stop = field(default_factory=Stop)
    report: Callable[[str], None] = _discard
    # Jitter only: nothing here is a secret.
    random: random.Random = field(default_factory=random.Random)
    by_hand: bool = False

    def unstoppable(self) -> Context:
        """Return the same context for a teardown, which a second Ctrl-C must not interrupt."""
        return replace(self, stop=Stop())
