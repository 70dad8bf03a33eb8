"""Several drivers on one AWS in virtual time: deterministic, by a seed, with kills at any call.

Each driver is a thread that runs only while it has the turn. It gives the turn up before every call to AWS
and in every wait; when all wait, the clock moves to the next end of a wait. The same seed gives the same
schedule.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes import FakeAws, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

_READS = ("Describe", "List", "Get")
# A deadline for a fault of the simulation itself, minutes away.
_HANG_SECONDS = 300.0


class KilledError(BaseException):
    """The driver's process is dead: no handler in Kiln may catch this, and no call has an effect any more."""


@dataclass(eq=False)
class Driver:
    """A process of Kiln. `work` is what it does; it ends with `answer`, `error`, or neither: killed."""

    name: str
    work: Callable[[], Any]
    answer: Any = None
    error: BaseException | None = None
    wakes_at: float = 0.0
    wake: threading.Event = field(default_factory=threading.Event)
    calls: int = 0
    is_dead: bool = False
    is_over: bool = False
    thread: threading.Thread | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    # Numbers of this driver's calls, from 1: those it is killed before or after, and those with a fault.
    dies_before: int = 0
    dies_after: int = 0
    faults: dict[int, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Disturbance:
    """What goes wrong by chance. `lag` is the most seconds that a read of EMR is behind, by chance, too."""

    throttled: float = 0.0
    reset: float = 0.0
    lag: float = 0.0
    lag_varies: bool = False
    # Kinds of faults (fakes.FAULTS) for the next calls whose name begins so, in this order.
    next_faults: list[tuple[str, str]] = field(default_factory=list)

    def fault(self, chance: random.Random, call: str) -> str | None:
        """Return the fault of a call."""
        if self.next_faults and call.startswith(self.next_faults[0][0]):
            return self.next_faults.pop(0)[1]
        if self.throttled and chance.random() < self.throttled:
            return "throttled"
        if self.reset and chance.random() < self.reset:
            return chance.choice(("lost_before", "lost_after"))
        return None


class SimulatedClock(VirtualClock):
    """A wait gives the turn to another driver."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def wait(self, seconds: float, wake: Any) -> None:
        """Wait, as the driver that has the turn."""
        driver = self._simulation.running
        if driver is None:
            super().wait(seconds, wake)
            return
        driver.wakes_at, driver.wake = self.seconds + max(seconds, 0.001), wake
        self._simulation.give_up_turn(driver)


class Simulation:
    """One AWS, any number of drivers, one source of chance."""

    def __init__(self, seed: int, disturbance: Disturbance | None = None) -> None:
        self.seed = seed
        self.chance = random.Random(seed)  # noqa: S311  # no secret
        self.disturbance = disturbance or Disturbance()
        self.clock = SimulatedClock(self)
        self.aws = FakeAws(self.clock)
        self.aws.before_call, self.aws.after_call = self._before, self._after
        self.drivers: list[Driver] = []
        self.running: Driver | None = None
        self.events: list[tuple[float, str, str]] = []
        # Calls that AWS answered, in order; the others were throttled, reset, or refused.
        self.answered: list[str] = []
        self._main = threading.Semaphore(0)
        self._points_left = math.inf
        self._until = math.inf

    # --- what a test does ---

    def start(self, name: str, work: Callable[[], Any]) -> Driver:
        """Add a driver; it begins with the next `run`."""
        driver = Driver(f"{len(self.drivers) + 1} {name}", work, wakes_at=self.clock.seconds)
        self.drivers.append(driver)
        return driver

    def run(self, *, points: float = math.inf, seconds: float = math.inf) -> None:
        """Let the drivers work until all are over, or for that many turns, or that long."""
        self._points_left, self._until = points, self.clock.seconds + seconds
        chosen = self._choose()
        if chosen is not None:
            self._hand_to(chosen)
            self._wait_for(self._main)
        self.running = None
        if seconds < math.inf and self._points_left > 0:
            self.clock.seconds = max(self.clock.seconds, self._until)

    def run_one(self, name: str, work: Callable[[], Any]) -> Driver:
        """Let a new driver work to its end, together with those that are still at work."""
        driver = self.start(name, work)
        self.run()
        return driver

    def kill(self, driver: Driver) -> None:
        """End a driver where it is, as SIGKILL does."""
        if driver.is_over:
            return
        driver.is_dead = True
        self._note(driver, "killed")
        if driver.thread is None:
            driver.is_over = True
            return
        self._points_left = 0
        self._hand_to(driver)
        self._wait_for(self._main)
        self.running = None

    def kill_all(self) -> None:
        """End every driver: no thread may outlive its test."""
        for driver in self.drivers:
            self.kill(driver)

    def schedule(self) -> str:
        """Return what happened, for the message of a test that fails."""
        groups = itertools.groupby(self.events, key=lambda event: event[:2])
        lines = [f"{at:9.3f} {name}: {', '.join(what for *_, what in group)}" for (at, name), group in groups]
        return "\n".join([f"seed {self.seed}, {self.disturbance}", *lines])

    # --- turns ---

    def give_up_turn(self, driver: Driver) -> None:
        """Return when the driver has the turn again. Raises KilledError in one that was killed meanwhile."""
        self._check(driver)
        self._points_left -= 1
        chosen = self._choose() if self._points_left > 0 else None
        if chosen is not driver:
            self._hand_on(chosen)
            self._wait_for(driver.turn)
            self._check(driver)
        driver.wakes_at = self.clock.seconds

    def _choose(self) -> Driver | None:
        """Choose who goes on, and move the clock when all wait. None: the test goes on."""
        alive = [one for one in self.drivers if not one.is_over]
        if not alive or self._points_left <= 0:
            return None
        now = self.clock.seconds
        ready = [one for one in alive if one.wakes_at <= now or one.wake.is_set()]
        if not ready:
            now = min(one.wakes_at for one in alive)
            if now > self._until:
                return None
            self.clock.seconds = now
            ready = [one for one in alive if one.wakes_at <= now]
        return ready[0] if len(ready) == 1 else self.chance.choice(ready)

    def _hand_on(self, chosen: Driver | None) -> None:
        if chosen is None:
            self._main.release()
        else:
            self._hand_to(chosen)

    def _hand_to(self, driver: Driver) -> None:
        self.running = driver
        if driver.thread is None:
            driver.thread = threading.Thread(target=self._live, args=(driver,), daemon=True)
            driver.thread.start()
        else:
            driver.turn.release()

    def _wait_for(self, turn: threading.Semaphore) -> None:
        if not turn.acquire(timeout=_HANG_SECONDS):
            raise RuntimeError(f"the simulation hangs:\n{self.schedule()}")

    def _live(self, driver: Driver) -> None:
        try:
            driver.answer = driver.work()
        except KilledError:
            pass
        except BaseException as error:  # noqa: BLE001  # the test shows it
            driver.error = error
        driver.is_over = True
        self._hand_on(self._choose())

    def _check(self, driver: Driver) -> None:
        if driver.is_dead:
            raise KilledError

    # --- calls ---

    def _before(self, number: int) -> None:
        call, driver = self.aws.calls[number], self.running
        if driver is not None:
            self._check(driver)
            driver.wakes_at = self.clock.seconds
            self.give_up_turn(driver)
            driver.calls += 1
            if driver.calls == driver.dies_before:
                self._die(driver, f"killed before {call}")
        if call.startswith(_READS):
            most = self.disturbance.lag
            self.aws.lag = self.chance.uniform(0, most) if self.disturbance.lag_varies else most
        own = driver.faults.get(driver.calls) if driver else None
        fault = own or self.disturbance.fault(self.chance, call)
        if fault is not None:
            self.aws.faults[number] = fault
        else:
            self.answered.append(call)
        self._note(driver, f"{call}{': ' + fault if fault else ''}")

    def _after(self, number: int) -> None:
        driver = self.running
        if driver is not None and driver.calls == driver.dies_after:
            self._die(driver, f"killed after {self.aws.calls[number]}")

    def _die(self, driver: Driver, what: str) -> None:
        driver.is_dead = True
        self._note(driver, what)
        raise KilledError

    def _note(self, driver: Driver | None, what: str) -> None:
        self.events.append((self.clock.seconds, driver.name if driver else "-", what))
