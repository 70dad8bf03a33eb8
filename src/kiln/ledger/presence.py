"""A command's entry in the ledger of its run, its heartbeat, and the end of a command that lost its entry.

There is no thread: waits and calls in a context of `Presence.on` write the heartbeat (docs/decisions/0013).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kiln.aws.operations import OPERATIONS
from kiln.clock import timestamp
from kiln.errors import FencedError, KilnError
from kiln.ledger import conflicts, drivers, store
from kiln.ledger.schema import HEARTBEAT_SECONDS, Event

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from datetime import datetime

    from kiln.aws.context import Context
    from kiln.clock import Clock
    from kiln.ledger.drivers import Work
    from kiln.ledger.schema import Driver, Run
    from kiln.ledger.store import Ledger

# For how long a heartbeat may hold up the work, and the pause after one that failed.
_BEAT_SECONDS = 10.0
_AGAIN_SECONDS = 10.0
# A change of AWS needs a heartbeat that is no older: the process may have been stopped for minutes.
_FRESH_SECONDS = 5.0
_LEAVE_SECONDS = 30.0
# Of the schema.
_MOST = 100
# Of the id of a dead driver whose entry is kept: the driver, should it be a stopped process, has lost it.
_DEAD = "-dead"


class Presence:
    """This command at work on a run. `lost` is the error to end with once another one has taken over."""

    def __init__(self, context: Context, ledger: Ledger, work: Work) -> None:
        self._context = context
        self._clock = context.clock
        self._entry = drivers.made(work, context.clock.now())
        self._anew = work.begins_anew
        self._registered = self._failed = self._is_new = False
        self._due = 0.0
        self._stamped = self._confirmed = self._times()
        self.ledger = ledger.of_driver(self._entry.id)
        self.lost: FencedError | None = None

    @property
    def id(self) -> str:
        """Return the id of the entry."""
        return self._entry.id

    def on(self, context: Context) -> Context:
        """Return a context that keeps the heartbeat while it waits, and changes nothing once it is lost."""
        before = context.guard

        def guard(operation: str) -> None:
            before(operation)
            self.guard(operation)

        return replace(context, clock=BeatingClock(context.clock, self), guard=guard)

    def register(self) -> None:
        """Enter the ledger; entries of dead drivers are removed.

        A command that does not answer for the cluster keeps the entry of a dead one that did, with another
        id: `kiln reap` and the next run still see that nobody answers for it, and that driver is replaced.

        Raises LockedError (17) when a live driver is at the same work, StepCancelledError (15) when somebody
        has asked for the end of the run and this command does not begin it anew.
        """
        self.ledger.update(self._enter)
        self._registered = True
        self._note_beat()
        if self._is_new:
            # No read before that first write has shown S3's time.
            self._due = self._clock.monotonic()

    def _enter(self, run: Run) -> None:
        self._is_new = not run.updated_at
        now = self._stamp()
        living = [one for one in drivers.alive(run, now) if one.id != self.id]
        for one in living:
            if drivers.conflict(one, self._entry) or len(living) >= _MOST - 1:
                raise conflicts.command_at_work(self.ledger.identity, run, one, now)
        if run.cancel_requested_at and not self._anew:
            raise store.cancelled(run)
        if not living:
            run.cancel_requested_at = None
        dead = drivers.dead(run, now)
        for one in dead:
            if one.id.endswith(_DEAD):
                continue
            run.events.append(Event(at=timestamp(now), kind="dead_driver_removed", data=_data(one)))
        self._entry.started_at = self._entry.heartbeat_at = timestamp(now)
        run.drivers = [*self._left(run, dead), *living, self._entry]

    def _left(self, run: Run, dead: Sequence[Driver]) -> list[Driver]:
        """Return the entry that says that the owner of a cluster which may live is dead."""
        owners = [one for one in dead if one.whole]
        if self._entry.whole or not owners or all(one.ended_at for one in run.attempts):
            return []
        last = max(owners, key=lambda one: one.heartbeat_at)
        if not last.id.endswith(_DEAD):
            last.id += _DEAD
        return [last]

    def beat_if_due(self) -> None:
        """Write the heartbeat when it is time. A failure is reported once, and tried again soon."""
        if self._registered and self.lost is None and self._clock.monotonic() >= self._due:
            self._beat()

    @property
    def pause(self) -> float:
        """Return for how many seconds no heartbeat is due."""
        return max(_AGAIN_SECONDS, self._due - self._clock.monotonic())

    def _beat(self) -> None:
        bounded = self._context.unstoppable().within(_BEAT_SECONDS)
        try:
            run = self.ledger.on(bounded.effects).update(self._refresh)
        except FencedError as error:
            self.lost = error
            self._context.stop.request_because(error)
        except KilnError as error:
            self._due = self._clock.monotonic() + _AGAIN_SECONDS
            if not self._failed:
                self._failed = True
                self._context.report(f"the heartbeat could not be written: {error.message}")
        else:
            self._note_beat()
            if run.cancel_requested_at:
                self._context.stop.request_because(store.cancelled(run))

    def _refresh(self, run: Run) -> None:
        mine = next((one for one in run.drivers if one.id == self.id), None)
        if mine is None:
            # A ledger that somebody has removed says nothing about who works on the run.
            if run.updated_at:
                raise self.ledger.fenced()
            mine = self._entry
            run.drivers.append(mine)
        mine.heartbeat_at = timestamp(self._stamp())

    def _stamp(self) -> datetime:
        """Return the time of a heartbeat. The write of it may take minutes when the process is stopped."""
        self._stamped = self._times()
        return self.ledger.aws_now()

    def _times(self) -> tuple[float, datetime]:
        return self._clock.monotonic(), self._clock.now()

    def _note_beat(self) -> None:
        self._failed = False
        self._confirmed = self._stamped
        self._due = self._stamped[0] + HEARTBEAT_SECONDS

    def _age(self) -> float:
        """Return the age of the last heartbeat; the monotonic clock stands still in a suspended machine."""
        (begun, at), (now, is_now) = self._confirmed, self._times()
        return max(now - begun, abs((is_now - at).total_seconds()))

    def guard(self, operation: str) -> None:
        """Beat when it is time; refuse a change of AWS without an entry. Raises FencedError (17).

        What S3 does not say within the time of a heartbeat refuses nothing: a cluster has to be ended.
        """
        # A heartbeat between the read and the write of a ledger would make that write fail.
        writes = operation == "put_object"
        if not writes:
            self.beat_if_due()
        if not OPERATIONS[operation].changes or not self._registered:
            return
        may_ask = not self._failed or self._clock.monotonic() >= self._due
        if self.lost is None and not writes and may_ask and self._age() > _FRESH_SECONDS:
            self._beat()
        if self.lost is not None:
            raise self.lost

    def leave(self) -> None:
        """Remove the entry. One that cannot be removed is dead after DEAD_SECONDS; nothing is raised."""
        if not self._registered:
            return
        self._registered = False
        if self.lost is None:
            bounded = self._context.unstoppable().within(_LEAVE_SECONDS)
            self.ledger.on(bounded.effects).try_update(self._exit)

    def _exit(self, run: Run) -> None:
        run.drivers = [one for one in run.drivers if one.id != self.id]


class BeatingClock:
    """A clock that keeps a heartbeat while somebody waits on it."""

    def __init__(self, inner: Clock, presence: Presence) -> None:
        self._inner = inner
        self._presence = presence

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return self._inner.now()

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return self._inner.monotonic()

    def wait(self, seconds: float, wake: threading.Event) -> None:
        """Return after `seconds`, or at once when `wake` is set; beat in between."""
        ends_at = self._inner.monotonic() + seconds
        while True:
            self._presence.beat_if_due()
            left = ends_at - self._inner.monotonic()
            pause = max(0.0, min(left, self._presence.pause))
            self._inner.wait(pause, wake)
            if left <= pause or wake.is_set():
                return


def _data(driver: Driver) -> dict[str, str]:
    return {"host": driver.host, "pid": str(driver.pid), "heartbeat_at": driver.heartbeat_at}
