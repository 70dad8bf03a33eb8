"""Which steps of a run `kiln logs -f` follows, also those that its drivers add meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import states, steps
from kiln.ledger import drivers
from kiln.ledger.schema import REFUSED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Step
    from kiln.ledger.schema import Run, StepEntry
    from kiln.ledger.store import Ledger

_NO_STEPS = frozenset(row.name for row in phases.TABLE)


@dataclass
class FollowedSteps:
    """The steps with these names or ids on a cluster; all of the run's when none is named.

    `first` were active at the beginning: a ledger that cannot be read adds none to them.
    """

    context: Context
    ledger: Ledger
    cluster_id: str
    first: Sequence[Step]
    names: Collection[str] = ()
    _known: set[str] = field(default_factory=set)

    def __call__(self) -> Sequence[Step] | None:
        """Return active steps that were not returned before; None when no more are expected."""
        run = self.ledger.read_if_possible()
        new = [one for one in (*self.first, *self._added(run)) if one.id not in self._known]
        self._known |= {one.id for one in new}
        return new if new or (run and self._goes_on(run)) else None

    def _added(self, run: Run | None) -> Sequence[Step]:
        ids = [
            one.step_id for one in self._entries(run) if one.step_id and one.state not in states.STEP_ENDED
        ]
        unknown = [one for one in ids if one not in self._known]
        return list(steps.seen_by_id(self.context, self.cluster_id, unknown).values()) if unknown else []

    def _entries(self, run: Run | None) -> Iterator[StepEntry]:
        for one in run.steps if run else ():
            is_wanted = not self.names or one.name in self.names or one.step_id in self.names
            if one.cluster_id == self.cluster_id and is_wanted:
                yield one

    def _goes_on(self, run: Run) -> bool:
        """Return whether a driver of the run is about to add a step that is wanted."""
        entries = list(self._entries(run))
        last = {one.name: one for one in entries if one.state != REFUSED}
        if any(one.state in states.STEP_ENDED - {"COMPLETED"} and not one.optional for one in last.values()):
            return False
        alive = drivers.alive(run, self.ledger.aws_now())
        expected = {name for one in alive for name in one.phases} - _NO_STEPS - last.keys()
        return bool(expected.intersection(self.names) if self.names else expected)
