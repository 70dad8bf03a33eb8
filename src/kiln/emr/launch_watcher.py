"""Shows the cluster's states while the launch playbook waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr.descriptions import describe_change
from kiln.errors import KilnError

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.ledger.store import Ledger


# How much less often AWS is asked while it does not answer.
_LONGEST_PAUSE_INTERVALS = 8


class LaunchWatcher:
    """Called repeatedly; polls once an interval, and passes changes to `context.report`."""

    def __init__(self, context: Context, ledger: Ledger, interval_seconds: float) -> None:
        self._context = context
        self._ledger = ledger
        self._interval = self._pause = interval_seconds
        self._next = context.clock.monotonic() + interval_seconds
        self._cluster_id: str | None = None
        self._shown = ""

    def __call__(self) -> None:
        """Poll, if it is time."""
        now = self._context.clock.monotonic()
        if now < self._next:
            return
        try:
            self._poll()
        except KilnError:
            # This is display only: the playbook fails when the launch does.
            self._pause = min(self._pause * 2, self._interval * _LONGEST_PAUSE_INTERVALS)
        else:
            self._pause = self._interval
        self._next = now + self._pause

    def _poll(self) -> None:
        # One attempt of each call: the events of the playbook wait meanwhile.
        once = self._context.within(0)
        if self._cluster_id is None:
            run = self._ledger.on(once.effects).read_if_possible()
            self._cluster_id = run.attempts[-1].cluster_id if run and run.attempts else None
            if self._cluster_id is None:
                return
        self.show(once.effects.describe_cluster(self._cluster_id))

    def show(self, cluster: Cluster) -> None:
        """Report a cluster's state, once."""
        line = describe_change(cluster)
        if line != self._shown:
            self._shown = line
            self._context.report(line)
