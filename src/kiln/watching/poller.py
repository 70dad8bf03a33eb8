"""The process that polls for all: whoever has the lock, as long as it waits itself. There is no daemon."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from kiln import private
from kiln.errors import KilnError, ThrottledError, UnansweredError
from kiln.watching import events, registry, rounds, snapshot
from kiln.watching.snapshot import News, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.aws.context import Context
    from kiln.watching.rounds import Plan

LOCK, SNAPSHOT, WAITS = "poller.lock", "snapshot.json", "waits"
# So few waits poll for themselves: that is as cheap, and each sees every change within its own interval.
FEW = 3
# How often the others see that the poller lives.
BEAT_SECONDS = 2.0
# ReceiveMessage waits this long for an event; a signal is noticed after it.
_RECEIVE_SECONDS = 2
# More than a round of an account with EMR's quota of clusters, 500, takes.
_LONGEST_ROUND_SECONDS = 900.0
# After so many rounds that failed each process polls for itself.
_MOST_FAILURES = 3
_QUEUE_AGAIN_SECONDS, _QUEUE_REFUSED_SECONDS = 30.0, 600.0


class Poller:
    """Polls while it has the lock, one small piece of work a call, and writes the snapshot."""

    def __init__(self, folder: Path, plan: Plan, queue_url: str) -> None:
        self._folder, self._plan, self._queue_url = folder, plan, queue_url
        self._file, self._lock = folder / SNAPSHOT, folder / LOCK
        self._handle: int | None = None
        self._now = Snapshot()
        self._waits: dict[str, frozenset[str]] = {}
        self._beat_at = float("-inf")

    def lead(self) -> bool:
        """Return whether this process polls for all now; take over when nobody does."""
        if self._handle is not None:
            return True
        self._handle = private.lock(self._lock, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
        if self._handle is None:
            return False
        self._now, self._beat_at = snapshot.read(self._file) or Snapshot(), float("-inf")
        return True

    def leave(self) -> None:
        """Let another process poll."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def work(self, context: Context, most_seconds: float) -> tuple[Snapshot | None, bool]:
        """Do what is due; return what is known, and whether time was spent waiting for events.

        None: it could not be written, so that nobody would read it.
        """
        before, now = self._now, context.clock.monotonic()
        is_due = now - self._beat_at >= BEAT_SECONDS
        if is_due:
            self._count()
        if self._now.waits > FEW and now >= self._next_round_at(now):
            self._round(context, now)
        waited = self._receive(context, most_seconds)
        if self._now != before and not snapshot.write(self._file, self._now):
            self.leave()
            return None, waited
        if is_due:
            self._beat_at = now
            # The others see that this process polls, and that what it sees is written.
            with suppress(OSError):
                os.utime(self._lock, follow_symlinks=False)
        return self._now, waited

    def _count(self) -> None:
        found = registry.registered(self._folder / WAITS)
        self._waits = {one.cluster_id: frozenset() for one in found}
        for one in found:
            self._waits[one.cluster_id] |= frozenset(one.step_ids)
        self._now = msgspec.structs.replace(
            self._now,
            waits=len(found),
            with_events=any(one.events for one in found),
            polled=len(found) > FEW and self._now.failures < _MOST_FAILURES,
            clusters={one: self._now.clusters.get(one, News()) for one in self._waits},
        )

    def _next_round_at(self, now: float) -> float:
        """Return when the next round is due; a time that no round sets is now."""
        due = self._now.next_round_at
        return due if due <= now + max(_LONGEST_ROUND_SECONDS, 4 * self._plan.interval_seconds) else now

    def _round(self, context: Context, now: float) -> None:
        try:
            self._now = rounds.poll(context, self._plan, self._now, self._waits, now)
        except KilnError:
            failures = self._now.failures + 1
            # Longer each time: the calls of those that then poll for themselves need the quota, too.
            again = now + self._plan.interval_seconds * min(failures, _MOST_FAILURES)
            self._now = msgspec.structs.replace(self._now, next_round_at=again, failures=failures)
        self._count()

    def _receive(self, context: Context, most_seconds: float) -> bool:
        """Wait for events; return whether that was possible. Each is deleted: the snapshot has its news."""
        now = context.clock.monotonic()
        if not self._queue_url or self._queue_at(now) > now:
            return False
        seconds = int(max(0, min(_RECEIVE_SECONDS, most_seconds)))
        effects = context.within(0).effects
        try:
            found = effects.receive_messages(self._queue_url, seconds)
            if found:
                self._count()  # a wait that began after the last beat, too
                effects.delete_messages(self._queue_url, [one.receipt for one in found])
        except KilnError as error:
            self._no_queue(context, error, now)
            return False
        news = {one: self._with_event(one) for one in events.clusters_of(found, self._now.clusters)}
        self._now = msgspec.structs.replace(self._now, clusters=self._now.clusters | news)
        return seconds > 0

    def _queue_at(self, now: float) -> float:
        due = self._now.queue_at
        return due if due <= now + _QUEUE_REFUSED_SECONDS else now

    def _with_event(self, cluster_id: str) -> News:
        news = self._now.clusters[cluster_id]
        return msgspec.structs.replace(news, events=news.events + 1)

    def _no_queue(self, context: Context, error: KilnError, now: float) -> None:
        """Poll without events for a while. Only a queue that is refused is worth a line."""
        transient = isinstance(error, ThrottledError | UnansweredError)
        if not transient and not self._now.queue_at:
            context.report(f"no events from {self._queue_url}: {error.message}; EMR is polled without them")
        again = now + (_QUEUE_AGAIN_SECONDS if transient else _QUEUE_REFUSED_SECONDS)
        self._now = msgspec.structs.replace(self._now, queue_at=again)
