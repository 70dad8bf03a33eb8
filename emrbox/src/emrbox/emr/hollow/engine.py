"""A hollow cluster's life: the same as any cluster's, but driven by the movable clock instead of a thread."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from emrbox.emr.life.engine import Engine
from emrbox.emr.life.layer import StepOutcome
from emrbox.emr.life.model import FailureDetails
from emrbox.emr.life.states import (
    CLUSTER_ENDED,
    CLUSTER_LIVE,
    CLUSTER_READY,
    ClusterState,
    GroupState,
    InstanceState,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from emrbox.emr.hollow.delays import Delays
    from emrbox.emr.hollow.scripts import Script, Scripts
    from emrbox.emr.life.clock import MovableClock
    from emrbox.emr.life.layer import NodeLayer
    from emrbox.emr.life.model import Cluster, Step

INTERRUPTED_CODE = 143  # as a shell reports SIGTERM
KILLED_CODE = 137
# Clients launch a cluster that is not kept alive without steps, then tag it and add them (Airflow, mrjob): a
# real start leaves minutes for that, so an empty one starts this long, or until its first step.
FIRST_STEP_SECONDS = 15.0
LOOK_FOR_STEP_SECONDS = 0.5
STUCK_LOOK_SECONDS = 1.0


class HollowEngine(Engine):
    """Drives one hollow cluster: every change of its records, and every moment that counts, is one turn."""

    def __init__(
        self,
        cluster: Cluster,
        layer: NodeLayer,
        clock: MovableClock,
        scripts: Scripts,
        delays: Delays,
        *,
        end: Callable[[], Callable[[], bool]] = lambda: lambda: False,
    ) -> None:
        super().__init__(cluster, layer, clock)
        self._movable = clock
        self._scripts = scripts
        self._delays = delays
        self._begin_end = (
            end  # called when machines would end: says then, when asked, whether they still cannot
        )
        self._was_active = False
        self._had_policy = cluster.idle_timeout_seconds is not None
        self._turns = _Turns(clock, self._turn)
        cluster.changed = _WakingCondition(self._turns.soon)

    def start(self) -> None:  # type: ignore[override]  # no thread of its own
        """Begin, as soon as the clock's work comes to it."""
        self._movable.call_later(0, lambda: self._go(self._begin))

    # -- start ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._launch()
        self._later("starting", self._boot)

    def _boot(self) -> None:
        if self._may_get_steps():
            self._movable.call_later(LOOK_FOR_STEP_SECONDS, lambda: self._go(self._boot))
            return
        self._layer.boot(self._check)
        self._enter(ClusterState.BOOTSTRAPPING, GroupState.BOOTSTRAPPING, InstanceState.BOOTSTRAPPING)
        self._later("bootstrapping", self._install)

    def _may_get_steps(self) -> bool:
        cluster = self._cluster
        if cluster.keep_alive or cluster.steps:
            return False
        return self._movable.now() - cluster.status.created < timedelta(seconds=FIRST_STEP_SECONDS)

    def _install(self) -> None:
        self._layer.bootstrap(self._check)
        self._layer.provision(self._check)
        self._become_ready()
        with self._cluster.changed:
            self._advance()

    def _later(self, phase: str, work: Callable[[], None]) -> None:
        self._movable.call_later(self._delays.pick(phase), lambda: self._go(work))

    def _go(self, work: Callable[[], None]) -> None:
        """Do a piece of the start; any failure ends the cluster."""
        if self._cluster.status.state not in CLUSTER_LIVE:
            return
        try:
            work()
        except Exception as problem:  # noqa: BLE001  # it ends the cluster and is logged
            self._end_by(problem)
        self._turns.soon()

    def _in_background(self, work: Callable[[], None]) -> None:
        self._movable.call_later(self._delays.pick("resizing"), work)

    # -- service -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Catch up with the records and set the next moment that counts."""
        cluster = self._cluster
        with cluster.changed:
            if cluster.status.state in CLUSTER_ENDED:
                return
            if cluster.status.state in CLUSTER_READY:
                self._note_activity()
                self._look()
            if cluster.status.state in CLUSTER_READY:
                self._advance()
                self._was_active = bool(cluster.active_steps)
            if cluster.status.state is ClusterState.TERMINATING:
                self._wind_down()
            elif (due := self._idle_due()) is not None:
                self._turns.at(due)

    def _note_activity(self) -> None:
        now = self._movable.now()
        if self._was_active or self._cluster.active_steps or not self._had_policy:
            self._last_active = now
        self._had_policy = self._cluster.idle_timeout_seconds is not None
        self._next_idle_look = now

    def _idle_due(self) -> datetime | None:
        limit = self._cluster.idle_timeout_seconds
        if limit is None or self._was_active or self._cluster.status.state is not ClusterState.WAITING:
            return None
        return self._last_active + timedelta(seconds=limit)

    def _set_going(self, step: Step) -> None:
        script = self._scripts.of(self._cluster, step)
        self.stepping.began(step, _HollowRun(self, step))
        self._movable.call_later(
            script.seconds, lambda: self.stepping.over(step, self._outcome(step, script))
        )

    def _outcome(self, step: Step, script: Script) -> StepOutcome:
        applications = tuple(
            f"application_{int(step.status.created.timestamp() * 1000)}_{number:04}"
            for number in range(1, script.applications + 1)
        )
        if script.exit_code == 0:
            return StepOutcome(0, None, applications)
        uri = self._cluster.log_uri
        log = uri and f"{uri.rstrip('/')}/{self._cluster.id}/steps/{step.id}/stderr.gz"
        failure = FailureDetails("Unknown Error.", script.message, log)
        return StepOutcome(script.exit_code, failure, applications)

    def interrupt(self, step: Step, code: int) -> None:
        """End a step's process by a signal."""
        failure = FailureDetails("Unknown Error.", None, None)
        self._movable.call_later(0, lambda: self.stepping.over(step, StepOutcome(code, failure)))

    # -- end -----------------------------------------------------------------------------------------------

    def _wind_down(self) -> None:
        """Begin the end, once."""
        if not self._turns.stop():
            return
        self._close()
        seconds = self._delays.pick("terminating")
        self._movable.call_later(seconds, lambda: self._end_machines(self._begin_end()))

    def _end_machines(self, is_stuck: Callable[[], bool]) -> None:
        if is_stuck():
            self._movable.call_later(STUCK_LOOK_SECONDS, lambda: self._end_machines(is_stuck))
            return
        self._layer.shut_down()
        self._be_over()


class _HollowRun:
    """A step of which nothing runs."""

    def __init__(self, engine: HollowEngine, step: Step) -> None:
        self._engine = engine
        self._step = step

    def wait(self) -> StepOutcome:
        """Nobody waits for it: the clock ends it."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """End as by SIGTERM."""
        self._engine.interrupt(self._step, INTERRUPTED_CODE)

    def kill(self) -> None:
        """End as by SIGKILL."""
        self._engine.interrupt(self._step, KILLED_CODE)


class _Turns:
    """Asks the clock for turns: many wishes for one soon make one, a later moment replaces another."""

    def __init__(self, clock: MovableClock, turn: Callable[[], None]) -> None:
        self._clock = clock
        self._turn = turn
        self._lock = threading.Lock()
        self._is_asked = False
        self._worker: int | None = None
        self._moment: datetime | None = None
        self._stopped = False

    def soon(self) -> None:
        """Take a turn now. Changes that a turn makes itself need no other."""
        with self._lock:
            if self._stopped or self._is_asked or self._worker == threading.get_ident():
                return
            self._is_asked = True
        self._clock.call_later(0, self._take)

    def at(self, moment: datetime) -> None:
        """Take a turn at `moment`, which replaces the moment that was asked for before."""
        with self._lock:
            if self._moment == moment:
                return
            self._moment = moment
        self._clock.call_at(moment, lambda: self._take_at(moment))

    def stop(self) -> bool:
        """Take no more turns. Returns whether this is the first time."""
        with self._lock:
            first, self._stopped = not self._stopped, True
            return first

    def _take_at(self, moment: datetime) -> None:
        with self._lock:
            if self._moment != moment:
                return
            self._moment = None
        self._take()

    def _take(self) -> None:
        with self._lock:
            self._is_asked = False
            if self._stopped:
                return
            self._worker = threading.get_ident()
        try:
            self._turn()
        finally:
            with self._lock:
                self._worker = None


class _WakingCondition(threading.Condition):
    """A cluster's condition that also asks for a turn whenever it is notified."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def notify_all(self) -> None:
        super().notify_all()
        self._wake()

    def __deepcopy__(self, _memo: dict[int, Any]) -> threading.Condition:
        return threading.Condition()
