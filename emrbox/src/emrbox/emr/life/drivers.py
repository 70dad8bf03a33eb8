"""Who calls an engine's turns: the movable clock, or a thread in real time."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.clock import Clock, MovableClock
    from emrbox.emr.life.engine import Engine
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.life.procedures import Job

LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0  # after a turn that failed


class Driver(Protocol):
    """What calls the turns of one cluster's engine."""

    @property
    def engine(self) -> Engine:
        """The engine."""

    def start(self) -> None:
        """Begin to drive."""

    def wake(self) -> None:
        """Ask for a turn soon. Does not wait; any thread may call it, with the cluster's lock or not."""

    def wait_over(self, timeout_seconds: float) -> None:
        """Return when the cluster's machines are gone, or in time."""


class ClockDriver:
    """Takes turns as work of the movable clock. Several requests for a turn now are one turn.

    A turn that is due later is replaced when another turn sets another moment.
    """

    def __init__(self, cluster: Cluster, engine: Engine, clock: MovableClock) -> None:
        self.engine = engine
        self._cluster = cluster
        self._clock = clock
        self._lock = threading.Lock()
        self._is_asked = False
        self._moment: datetime | None = None

    def start(self) -> None:
        """Begin, as soon as the clock's work comes to it."""
        self.wake()

    def wake(self) -> None:
        """Take a turn now."""
        with self._lock:
            if self._is_asked or self.engine.is_over:
                return
            self._is_asked = True
        self._clock.call_later(0, self._take_soon)

    def wait_over(self, timeout_seconds: float) -> None:
        """Return at once: such a cluster has no machines, and its clock may stand still."""

    def _take_soon(self) -> None:
        with self._lock:
            self._is_asked = False
        self._turn()

    def _take_at(self, moment: datetime) -> None:
        if self._moment == moment:
            self._moment = None
            self._turn()

    def _turn(self) -> None:
        with self._cluster.lock:
            if self.engine.is_over:
                return
            moment = self.engine.turn(self._clock.now())
            if moment is not None and moment != self._moment:
                self._clock.call_at(moment, lambda: self._take_at(moment))
            self._moment = moment


class ThreadDriver:
    """Takes turns in a thread of its own, in real time. The thread ends with the cluster, or with the box."""

    def __init__(self, cluster: Cluster, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self._cluster = cluster
        self._clock = clock
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"emr-{cluster.id}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Take a turn now."""
        self._woken.set()

    def wait_over(self, timeout_seconds: float) -> None:
        """Return when the thread has ended, or in time."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self.engine.is_over:
            self._woken.clear()
            try:
                seconds = self._turn()
            except Exception:  # without this thread nothing would end the cluster's machines
                LOG.exception("a turn of %s failed", self._cluster.id)
                seconds = PAUSE_SECONDS
            if not self.engine.is_over:
                self._woken.wait(seconds)

    def _turn(self) -> float | None:
        """Take a turn. Returns the seconds until the next one is due; None if only `wake` asks for it."""
        with self._cluster.lock:
            now = self._clock.now()
            moment = self.engine.turn(now)
        return None if moment is None else max(0.0, (moment - now).total_seconds())


class ThreadJobs:
    """Runs the jobs of one cluster, each in a thread of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __call__(self, job: Job[Any]) -> None:
        """Begin a job; the engine gets a turn when it is over."""
        threading.Thread(target=self._run, args=(job,), name=f"emr-{job.name}", daemon=True).start()

    def _run(self, job: Job[Any]) -> None:
        job.run()
        self._cluster.wake()
