"""The lock of a pipeline: taken by the first command of a run that launches, kept until its cluster ended.

A holder lives while one of its drivers does, while its launch may still show up, or while AWS has a live
cluster with its name. A dead driver that answered for its cluster is replaced, its cluster ended first
(docs/decisions/0013).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kiln import phases
from kiln.clock import timestamp
from kiln.emr import cancelling, terminate
from kiln.emr.lock_holders import LockHolders
from kiln.errors import ConditionFailedError, KilnError, LockedError, NotTerminatedError
from kiln.ledger import drivers
from kiln.ledger.drivers import Work
from kiln.ledger.locks import MOST_HOLDERS, Holder, LockStore
from kiln.ledger.presence import Presence
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.emr.cancelling import Kill
    from kiln.emr.lock_holders import Judged
    from kiln.emr.waiting import Waiting
    from kiln.identity import Identity
    from kiln.ledger.schema import Run

_TRIES = 20
# For how long the end of a command may wait for its lock: others see anyway that its cluster has ended.
_RELEASE_SECONDS = 30.0
# Who replaces a dead driver is a driver, too: it conflicts with a second one, and with the run itself.
_REPLACEMENT = Work([phases.TERMINATE.name], whole=True, begins_anew=True)


@dataclass(frozen=True, kw_only=True)
class PipelineLock:
    """The lock, as the run `identity` takes it.

    `limits` bound the end of a dead run's cluster; `kill` ends the applications of its steps on a shared one.
    """

    context: Context
    identity: Identity
    state_uri: str
    limits: Waiting
    kill: Kill = cancelling.nothing

    def take(self, presence: Presence, most: int) -> None:
        """Register the driver and take the lock; at most `most` runs hold it (0: any number).

        A run that holds it already is one of them. The driver's entry comes before the lock: whoever reads
        the lock finds it alive. A run that is refused leaves no ledger. Raises LockedError (17),
        LockUnreadableError (10), and what `register` raises.
        """
        store = self._store(self.context)
        holders = LockHolders(self.context, self.identity, self.state_uri)
        for _ in range(_TRIES):
            lock, version = store.read()
            others = holders.judged(lock, is_new=version is None)
            living = [one for one in others if one.lives]
            is_holder = lock.held_by(self.identity.run_id) is not None
            if not is_holder and len(living) >= (most or MOST_HOLDERS):
                raise living[0].refusal()
            dead = [one for one in others if one.is_dead]
            try:
                with ExitStack() as replaced:
                    for one in dead:
                        # Nobody goes on with that run before the lock was written.
                        replaced.callback(self._replace(one).leave)
                    presence.register()
                    mine = self._holder(presence, timestamp(store.now()))
                    entries = (*(one.holder for one in living), mine)
                    store.write(msgspec.structs.replace(lock, holders=entries), version)
            except ConditionFailedError:
                continue
            for one in dead:
                presence.ledger.note("lock_taken_over", from_run=one.identity.run_id)
            return
        raise LockedError(f"other commands change the lock {store.uri} all the time", fix="try again")

    def _store(self, context: Context) -> LockStore:
        return LockStore(context.effects, context.clock, self.state_uri, self.identity)

    def _holder(self, presence: Presence, now: str) -> Holder:
        mine = self.identity
        return Holder(run_id=mine.run_id, owner=mine.owner, driver_id=presence.id, taken_at=now)

    def _replace(self, dead: Judged) -> Presence:
        """Take the place of a run's dead drivers and end its cluster; return the entry, to be removed last.

        Its drivers are fenced by that, should they be stopped processes that go on. Raises LockedError when
        AWS does not confirm the end, or when somebody works on the run again. The entry then stays, and is
        soon that of a dead driver: the next one that wants the lock tries again.
        """
        ledger = Ledger(self.context.effects, self.context.clock, self.state_uri, dead.identity)
        mine = Presence(self.context, ledger, _REPLACEMENT)
        mine.register()
        own = mine.on(self.context)
        run_id = dead.identity.run_id
        own.report(f"run {run_id} has no live driver any more: ending what it left, taking over its lock")
        mine.ledger.note("lock_taken_over", by_run=self.identity.run_id)
        try:
            terminate.end_run(own, dead.identity, mine.ledger, self.limits, kill=self.kill)
        except NotTerminatedError as error:
            refusal = dead.refusal()
            raise LockedError(
                f"the lock of run {run_id}, whose driver is dead, cannot be taken over: {error.message}",
                fix=error.fix,
                details=(*error.details, *refusal.details),
            ) from error
        return mine

    def release(self) -> None:
        """Give the lock back, unless the run still has a cluster or a live driver. Nothing is raised."""
        bounded = self.context.unstoppable().within(_RELEASE_SECONDS)
        try:
            self._release(bounded)
        except KilnError as error:
            self.context.report(f"the lock was not given back (others take it all the same): {error.message}")

    def _release(self, context: Context) -> None:
        store = self._store(context)
        ledger = Ledger(context.effects, context.clock, self.state_uri, self.identity)
        for _ in range(_TRIES):
            lock, version = store.read()
            if lock.held_by(self.identity.run_id) is None:
                return
            run = ledger.read()
            if run is not None and not _is_over(run, ledger):
                return
            try:
                store.write(
                    msgspec.structs.replace(lock, holders=lock.without(self.identity.run_id)), version
                )
            except ConditionFailedError:
                continue
            return


def _is_over(run: Run, ledger: Ledger) -> bool:
    return all(one.ended_at for one in run.attempts) and not drivers.alive(run, ledger.aws_now())
