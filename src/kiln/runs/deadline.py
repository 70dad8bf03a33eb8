"""Until when a run may go on: its time, and its node hours."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln.errors import DeadlineError
from kiln.failure_classes import FailureClass

if TYPE_CHECKING:
    from kiln.clock import Clock


@dataclass
class Deadline:
    """The deadline of one command, `run_seconds` after its beginning."""

    clock: Clock
    run_seconds: float
    node_hours: float = 0.0
    _ends_at: float = field(init=False)
    _paid_until: float = field(default=math.inf, init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self._ends_at = self.clock.monotonic() + self.run_seconds

    def pay_for(self, seconds: float) -> None:
        """End when the node hours are used, `seconds` from now."""
        self._paid_until = self.clock.monotonic() + seconds

    def seconds_left(self) -> float:
        """Return how long the run may still take."""
        return min(self._ends_at, self._paid_until) - self.clock.monotonic()

    def error(self) -> DeadlineError:
        """Return the error of a run that has reached it."""
        if self._paid_until < self._ends_at:
            return DeadlineError(
                f"the run has used its {self.node_hours:g} node hours",
                fix="raise kiln_most_node_hours, or find the phase that took the time",
                failure_class=FailureClass.COST_CAP,
            )
        return DeadlineError(
            f"the run took longer than {self.run_seconds:.0f} s",
            fix="raise kiln_run_timeout_seconds, or find the phase that took the time",
        )
