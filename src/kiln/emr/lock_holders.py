"""Which holders of a pipeline's lock live, by their ledgers and by AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kiln.clock import timestamp
from kiln.emr import clusters, lost_calls, states, tags
from kiln.identity import of_name
from kiln.ledger import conflicts, drivers
from kiln.ledger.locks import Holder
from kiln.ledger.schema import DEAD_SECONDS, LedgerUnreadableError, Run
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from datetime import datetime

    from kiln.aws.context import Context
    from kiln.aws.effects import ClusterSummary
    from kiln.errors import LockedError
    from kiln.identity import Identity
    from kiln.ledger.locks import Lock


class Judged(NamedTuple):
    """A holder of the lock. `is_dead`: drivers of it have ended without saying so, and none lives.

    One that neither lives nor is dead has ended as it should. `held_until`: no command works on it, and its
    cluster is held for debugging until then; it lives.
    """

    holder: Holder
    identity: Identity
    lives: bool
    is_dead: bool
    run: Run | None
    now: datetime
    cluster: ClusterSummary | None
    held_until: datetime | None = None

    def refusal(self) -> LockedError:
        """Return the error for a run that has to leave the pipeline to this one."""
        cluster = f"cluster {self.cluster.id} {self.cluster.state}" if self.cluster else ""
        owner = (self.run.owner if self.run else "") or self.holder.owner
        held = f"{cluster}, held for debugging until {timestamp(self.held_until)}" if self.held_until else ""
        return conflicts.run_at_work(self.identity, self.run, self.now, owner=owner, cluster=held or cluster)


@dataclass(frozen=True)
class LockHolders:
    """The runs that keep others from a pipeline, as the run `identity` sees them."""

    context: Context
    identity: Identity
    state_uri: str

    def judged(self, lock: Lock, *, is_new: bool) -> list[Judged]:
        """Return the other holders, the oldest first.

        A live cluster of the pipeline whose run is not in the lock (the lock was removed, or the cluster was
        launched by an older version) counts as one. It is asked for (ListClusters) when the lock is new, or
        when there are other holders.
        """
        others = list(lock.without(self.identity.run_id))
        if not others and not is_new:
            return []
        live = self._live()
        known = {one.run_id for one in others} | {self.identity.run_id}
        others += [
            Holder(run_id=run_id, taken_at=timestamp(cluster.created_at))
            for run_id, cluster in live.items()
            if run_id not in known
        ]
        others.sort(key=lambda one: (one.taken_at, one.run_id))
        return [self._judge(one, live.get(one.run_id)) for one in others]

    def judge(self, run_id: str) -> Judged:
        """Return one run of the pipeline as it is now."""
        return self._judge(Holder(run_id=run_id, taken_at=""), self._live().get(run_id))

    def _live(self) -> dict[str, ClusterSummary]:
        # A cluster that is ending does no more work.
        whose = (self.identity.environment, self.identity.pipeline)
        found = clusters.listed(self.context, *whose, None, states.CLUSTER_USABLE)
        return {of.run_id: one for one in found if (of := of_name(one.name))}

    def _judge(self, holder: Holder, cluster: ClusterSummary | None) -> Judged:
        identity = msgspec.structs.replace(self.identity, run_id=holder.run_id, owner=holder.owner)
        ledger = Ledger(self.context.effects, self.context.clock, self.state_uri, identity)
        try:
            run = ledger.read()
        except LedgerUnreadableError:
            run = None
        now = ledger.aws_now()
        dead = drivers.dead(run, now)
        is_alive = bool(drivers.alive(run, now))
        held = self._held_until(cluster, now) if cluster and not is_alive else None
        if is_alive or held or _may_show_up(run, now):
            lives = True
        elif cluster is not None:
            lives = not any(one.whole for one in dead)
        else:
            # Between the lock and the first entry in its ledger, or with a ledger that nobody can read.
            lives = run is None and Run.age_of(holder.taken_at, now) <= DEAD_SECONDS
        return Judged(holder, identity, lives, bool(dead) and not lives, run, now, cluster, held)

    def _held_until(self, cluster: ClusterSummary, now: datetime) -> datetime | None:
        # What ListClusters returns has no tags.
        seen = clusters.seen(self.context, cluster.id)
        return tags.held_until(seen.tags, now) if seen else None


def _may_show_up(run: Run | None, now: datetime) -> bool:
    """Return whether the run may have a cluster that AWS does not show yet."""
    last = run.attempts[-1] if run and run.attempts else None
    if last is None or last.ended_at is not None:
        return False
    if last.launched_at is None:
        return Run.age_of(last.intent_at, now) <= lost_calls.UNSETTLED_SECONDS
    return Run.age_of(last.launched_at, now) <= lost_calls.LAG_SECONDS
