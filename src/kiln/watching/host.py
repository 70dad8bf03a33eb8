"""The watch of a host: its processes share one poller and its snapshot (docs/decisions/0015).

Who waits registers, and pauses until the snapshot shows news of its cluster. One of those that wait polls for
all; when it ends, is killed or stopped, another takes over or each polls for itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln.emr import states
from kiln.watching import snapshot
from kiln.watching.poller import BEAT_SECONDS, LOCK, SNAPSHOT, WAITS, Poller
from kiln.watching.registry import Registration
from kiln.watching.snapshot import GONE, News, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kiln.aws.context import Context
    from kiln.aws.watch import Node, Watched
    from kiln.watching.rounds import Plan

# How often a wait looks at the snapshot: a stat, and an attempt to lock.
TICK_SECONDS = 0.2
# After news, AWS is asked at these distances until it shows something new: its reads may lag behind.
_ATTENTION_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
# Waits that somebody else polls for ask AWS themselves from time to time, together once a minute.
_SAFETY_SECONDS, _SAFETY_PER_WAIT_SECONDS = 900.0, 60.0
# States of a cluster in which there is nothing to ask: its steps go on, or it starts.
_QUIET = states.CLUSTER_STARTING | {"RUNNING"}


class HostWatch:
    """`kiln.aws.context.Watch` in a folder that the processes of one user on one host share."""

    def __init__(self, folder: Path, plan: Plan, queue_url: str = "") -> None:
        self._waits, self._snapshot, self._lock = folder / WAITS, folder / SNAPSHOT, folder / LOCK
        self._poller = Poller(folder, plan, queue_url)
        self._queue_url = queue_url
        self._stuck_seconds = max(2 * plan.interval_seconds, 5 * BEAT_SECONDS)
        self._marks: dict[Path, tuple[int, int]] = {}
        self._moved_at = float("-inf")
        self._seen: Snapshot | None = None

    @contextmanager
    def wait(self, context: Context, watched: Watched) -> Iterator[HostWait]:
        """Begin a wait. What changes from now on wakes it."""
        registration = Registration(self._waits, watched, events=bool(self._queue_url))
        try:
            self._read(context)
            yield HostWait(self, registration, watched)
        finally:
            self._poller.leave()
            registration.remove()

    @property
    def waits(self) -> int:
        """Return how many waits there are on this host, as far as known: at least 1."""
        return max(1, self._seen.waits if self._seen else 1)

    def nodes(self, context: Context, cluster_id: str) -> Mapping[str, Node] | None:
        """Return the EC2 instances of a cluster; None when nobody polls them."""
        news = self.news(cluster_id)
        return news.nodes if news.state and self.is_polled(context) else None

    def news(self, cluster_id: str) -> News:
        """Return what is known of a cluster."""
        return self._seen.clusters.get(cluster_id, News()) if self._seen else News()

    def is_polled(self, context: Context) -> bool:
        """Return whether one process polls for all: they are many, and it has not stopped to."""
        alive = context.clock.monotonic() - self._moved_at < self._stuck_seconds
        return alive and self._seen is not None and self._seen.polled

    def safety_seconds(self) -> float:
        """Return how long a wait relies on the poller."""
        return max(_SAFETY_SECONDS, self.waits * _SAFETY_PER_WAIT_SECONDS)

    def look(self, context: Context, most_seconds: float) -> bool:
        """Poll for all if nobody does, else read what is known; return whether time was spent on that."""
        if not self._may_lead(context) or not self._poller.lead():
            self._read(context)
            return False
        seen, waited = self._poller.work(context, most_seconds)
        if seen is not None:
            self._seen, self._moved_at = seen, context.clock.monotonic()
        if self._gives_way:
            self._poller.leave()
        return waited

    @property
    def _gives_way(self) -> bool:
        """Return whether a process that knows the queue of events should poll instead of this one."""
        return not self._queue_url and self._seen is not None and self._seen.with_events

    def _may_lead(self, context: Context) -> bool:
        return not self._gives_way or context.clock.monotonic() - self._moved_at >= BEAT_SECONDS

    def leave(self) -> None:
        """Let another process poll: this one goes on with its work."""
        self._poller.leave()

    def _read(self, context: Context) -> None:
        """Read the snapshot if it was written again, and see whether its poller lives."""
        if self._has_changed(self._snapshot):
            self._seen = snapshot.read(self._snapshot)
        # A time in a file says nothing about a poller that was stopped, nor after the clock was set.
        is_first = self._lock not in self._marks
        if self._has_changed(self._lock) and not is_first:
            self._moved_at = context.clock.monotonic()

    def _has_changed(self, file: Path) -> bool:
        try:
            seen = file.lstat()
        except OSError:
            return False
        mark = (seen.st_ino, seen.st_mtime_ns)
        changed = self._marks.get(file) != mark
        self._marks[file] = mark
        return changed


class HostWait:
    """`kiln.aws.context.Wait` of one process."""

    def __init__(self, watch: HostWatch, registration: Registration, watched: Watched) -> None:
        self._watch, self._registration, self._watched = watch, registration, watched
        self._before = self._now
        self._attention: list[float] = []

    @property
    def _now(self) -> News:
        return self._watch.news(self._watched.cluster_id)

    def about(self, watched: Watched) -> None:
        """Change what the wait is about."""
        if watched != self._watched:
            self._registration.write(watched)
            self._watched, self._before = watched, self._watch.news(watched.cluster_id)

    def pause(self, context: Context, seconds: float, most_seconds: float, *, changed: bool) -> None:
        """Return when it is time to poll again; see kiln.aws.context.Wait."""
        clock, started = context.clock, context.clock.monotonic()
        if changed:
            self._attention = []
        attention = self._attention.pop(0) if self._attention else None
        try:
            while not context.stop.event.is_set():
                longest = min(most_seconds, self._longest(context, seconds, attention))
                left = started + longest - clock.monotonic()
                if left <= 0:
                    return
                waited = self._watch.look(context, left)
                if self._has_news():
                    self._attention = list(_ATTENTION_SECONDS)
                    return
                if not waited:
                    clock.wait(min(TICK_SECONDS, left), context.stop.event)
        finally:
            self._watch.leave()

    def _longest(self, context: Context, seconds: float, attention: float | None) -> float:
        """Return how long to pause without news: long only while somebody polls and sees nothing to ask."""
        if attention is not None:
            return min(seconds, attention)
        relies = self._is_quiet(self._now) and self._watch.is_polled(context)
        return self._watch.safety_seconds() if relies else seconds

    def _is_quiet(self, news: News) -> bool:
        """Return whether the snapshot shows no reason to ask AWS."""
        ended = any(news.steps.get(one) in states.STEP_ENDED for one in self._watched.step_ids)
        if self._watched.step_ids:
            return news.state in _QUIET and not ended
        return news.state not in {"", GONE}

    def _has_news(self) -> bool:
        """Return whether the snapshot shows something of this cluster that it did not show before."""
        before, now = self._before, self._now
        self._before = now
        if before.events != now.events or (before.nodes and before.nodes != now.nodes):
            return True
        if self._is_quiet(before) and not self._is_quiet(now):
            return True
        known = bool(before.state) or now.state not in _QUIET
        return known and before.state != now.state
