"""Time as EMR sees it. Everything in emrbox.emr asks a clock, so that a test can move it."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Return the time, UTC."""


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        """Return the time, UTC."""
        return datetime.now(UTC)


class MovableClock:
    """The time of hollow clusters: real time plus what it was advanced by, or standing still.

    Work is scheduled with the moment it is due. One thread does it, in order, one piece at a time;
    `advance` does all that falls due on the way, each at its own moment, before it returns. The clock never
    goes back. It begins at `start`, or else at the present time.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._moment = start or datetime.now(UTC)  # the time at `_anchor`
        self._anchor = time.monotonic()
        self._frozen = False
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._working = threading.Lock()  # one piece of work at a time; taken before `_changed`
        self._thread: threading.Thread | None = None

    def now(self) -> datetime:
        """Return the time, UTC."""
        with self._changed:
            return self._now()

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen

    @property
    def pending(self) -> int:
        """How many pieces of work wait for their moment."""
        return len(self._queue)

    def call_at(self, due: datetime, work: Callable[[], None]) -> None:
        """Do `work` when `due` has come; soon, if it is past."""
        with self._changed:
            heapq.heappush(self._queue, (due, next(self._numbers), work))
            self._notify()

    def call_later(self, seconds: float, work: Callable[[], None]) -> None:
        """Do `work` in `seconds` of this clock."""
        self.call_at(self.now() + timedelta(seconds=seconds), work)

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`, doing all that falls due on the way. 0 does what is due now."""
        if seconds < 0:
            raise ValueError("the clock does not go back")
        with self._working:
            with self._changed:
                was_frozen, self._frozen = self._frozen, True
                started = time.monotonic()
                self._moment = self._now_of(was_frozen)
                target = self._moment + timedelta(seconds=seconds)
            while (work := self._next_due(target)) is not None:
                self._do(work)
            with self._changed:
                # The real time that the work took has passed here, too: else the clock would fall behind.
                self._moment, self._anchor = target, started
                self._frozen = was_frozen
                self._notify()

    def freeze(self) -> None:
        """Stand still until `run` or `advance`."""
        self._set_frozen(frozen=True)

    def run(self) -> None:
        """Go on at the rate of real time, from where it is."""
        self._set_frozen(frozen=False)

    def _set_frozen(self, *, frozen: bool) -> None:
        with self._working, self._changed:
            self._moment, self._anchor = self._now(), time.monotonic()
            self._frozen = frozen
            self._notify()

    def _notify(self) -> None:
        """Let the thread check what is due. A clock that stands still needs none."""
        if self._thread is None and self._queue and not self._frozen:
            self._thread = threading.Thread(target=self._follow, name="emr-hollow", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _now(self) -> datetime:
        return self._now_of(self._frozen)

    def _now_of(self, frozen: bool) -> datetime:  # noqa: FBT001  # the state that the time is asked for
        passed = 0.0 if frozen else time.monotonic() - self._anchor
        return self._moment + timedelta(seconds=passed)

    def _next_due(self, until: datetime) -> Callable[[], None] | None:
        """Take the next work that is due by `until`; a clock that stands still moves to its moment."""
        with self._changed:
            if not self._queue or self._queue[0][0] > until:
                return None
            due, _, work = heapq.heappop(self._queue)
            if self._frozen:
                self._moment = max(self._moment, due)
            return work

    def _follow(self) -> None:
        """Do the work as it falls due. Does not return."""
        while True:
            with self._changed:
                while not self._queue or self._queue[0][0] > self._now():
                    self._changed.wait(self._seconds_to_next())
            with self._working:
                if (work := self._next_due(self.now())) is not None:
                    self._do(work)

    def _seconds_to_next(self) -> float | None:
        if not self._queue or self._frozen:
            return None
        return max(0.0, (self._queue[0][0] - self._now()).total_seconds())

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            LOG.exception("work of the movable clock failed")
