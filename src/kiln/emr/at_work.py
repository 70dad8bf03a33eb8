"""A command at work on a run: its entry in the ledger, the pipeline's lock, and a context that keeps both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kiln.emr import cancelling, finding
from kiln.emr.pipeline_lock import PipelineLock
from kiln.ledger.presence import Presence
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.emr.cancelling import Kill
    from kiln.emr.waiting import Waiting
    from kiln.errors import FencedError
    from kiln.identity import Identity
    from kiln.ledger.drivers import Work


@dataclass(frozen=True, kw_only=True)
class AtWork:
    """What a command works with until it leaves: a context with its heartbeat, a ledger with its entry."""

    context: Context
    ledger: Ledger
    presence: Presence
    lock: PipelineLock | None

    @property
    def lost(self) -> FencedError | None:
        """Return the error to end with when another command has taken over; None while none has."""
        return self.presence.lost

    def leave(self) -> None:
        """Remove the entry, and give the lock back when the run has ended. Nothing is raised."""
        self.presence.leave()
        if self.lock is not None and self.lost is None:
            self.lock.release()


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A command that is about to work on a run. `most`: how many runs may hold the lock; None: it needs none.

    `limits` bound the end of the cluster of a dead run whose lock is taken over, `kill` ends the YARN
    applications of its steps on a cluster that it shared.
    """

    context: Context
    identity: Identity
    state_uri: str
    work: Work
    limits: Waiting
    most: int | None = None
    kill: Kill = cancelling.nothing

    def enter(self) -> AtWork:
        """Begin to work. Raises LockedError (17) when another run or command is at this work.

        Raises StepCancelledError (15) when somebody has asked for the end of the run, ClusterNotFoundError
        (18) for work on a run that is not there, LedgerUnreadableError and LockUnreadableError (10).
        """
        context = self.context
        ledger = Ledger(context.effects, context.clock, self.state_uri, self.identity)
        presence = Presence(context, ledger, self.work)
        lock = None
        try:
            if self.most is None:
                self._check_exists(ledger)
                presence.register()
            else:
                lock = PipelineLock(
                    context=context,
                    identity=self.identity,
                    state_uri=self.state_uri,
                    limits=self.limits,
                    kill=self.kill,
                )
                lock.take(presence, self.most)
        except BaseException:
            presence.leave()
            raise
        own = presence.on(context)
        return AtWork(context=own, ledger=presence.ledger.on(own.effects), presence=presence, lock=lock)

    def _check_exists(self, ledger: Ledger) -> None:
        """Make sure that a mistyped run id leaves no ledger."""
        if ledger.read() is None:
            run = self.identity
            finding.only(self.context, run.environment, run.pipeline, run.run_id)
