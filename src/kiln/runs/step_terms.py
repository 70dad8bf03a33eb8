"""On which terms steps are run: for which run, how long, and what happens around them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kiln.emr import cancelling
from kiln.ledger.schema import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.diagnosis.cause import Explain
    from kiln.emr.cancelling import Kill
    from kiln.ledger.store import Ledger
    from kiln.runs.limits import Limits
    from kiln.settings.step_needs import Needs

    # Sends the logs of the steps on a cluster elsewhere while a block runs. It raises nothing.
    Ship: TypeAlias = Callable[[Cluster], AbstractContextManager[None]]


def no_cause(*_: object) -> None:
    """Find no cause."""


def nothing(*_: object) -> None:
    """Do nothing."""


def nothing_sent(_: Cluster) -> AbstractContextManager[None]:
    """Send no logs."""
    return nullcontext()


def no_phase(name: str) -> AbstractContextManager[Phase]:
    """Keep nothing of a phase."""
    return nullcontext(Phase(name=name, status="ok", seconds=0.0))


@dataclass(kw_only=True)
class Terms:
    """What whoever runs steps says once for all of them.

    `needs` is that of the whole pipeline (settings.step_needs.of). `cancels`: the cluster stays, so an
    interrupted or late step must not go on unseen. `again` names the steps that run also when complete,
    and `request` what asked for that. Once all of `leaves` are added, nothing is waited for any more.
    Without `adds` the last try of each step is waited for, however it has ended.
    `phase` is entered when a step begins and left when it has ended, with its error when that fails the run;
    what it yields gets `changed`. `explain` returns the cause of a failed step, `kill` ends its
    applications in YARN and says so. `before_step` is called before a step is added, `on_poll` with the
    cluster that each poll shows; both may raise a KilnError, which leaves the active steps as they are; a
    StepCancelledError ends them as a signal does.
    """

    context: Context
    ledger: Ledger
    limits: Limits
    needs: Needs
    cancels: bool
    again: Collection[str] = frozenset()
    request: str = ""
    leaves: Collection[str] = frozenset()
    adds: bool = True
    phase: Callable[[str], AbstractContextManager[Phase]] = no_phase
    explain: Explain = no_cause
    kill: Kill = cancelling.nothing
    before_step: Callable[[Context], object] = nothing
    on_poll: Callable[[Context, Cluster | None], object] = nothing
