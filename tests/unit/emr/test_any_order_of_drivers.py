"""Any order of commands that begin, wait, end, are killed or stopped, each in the middle of others' calls."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from drivers_world import WHOLE, Drivers
from hostile import many
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import FencedError, KilnError, LockedError
from kiln.ledger.drivers import Work
from kiln.ledger.schema import DEAD_SECONDS

if TYPE_CHECKING:
    from kiln.emr.at_work import AtWork

RUNS = ("r1", "r2", "r3")
WORKS = (WHOLE, Work(("sd",), begins_anew=True), Work(("cdd",), begins_anew=True))
_DEEPEST = 4


class Schedule:
    """Commands in an order that a seed decides. A killed one never goes on, and its entry stays."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # no secret
        self.most = self.chance.choice((1, 1, 2))
        self.world = Drivers()
        self.world.aws.before_call = self.before
        self.alive: list[tuple[str, Work, AtWork]] = []
        self.depth = 0

    def before(self, _: int) -> None:
        """Let others act in the middle of a call."""
        if self.depth < _DEEPEST and self.chance.random() < 0.15:
            self.depth += 1
            self.act()
            self.depth -= 1

    def act(self) -> None:
        kind = self.chance.choice(("begin", "begin", "begin", "end", "kill", "wait"))
        if kind == "begin":
            self.begin()
        elif kind == "wait":
            self.wait(self.chance.choice((1.0, 40.0, DEAD_SECONDS + 10)))
        elif self.alive:
            run_id, work, at_work = self.alive.pop(self.chance.randrange(len(self.alive)))
            if kind == "end":
                at_work.leave()
            else:
                self.killed(run_id, work)

    def killed(self, run_id: str, work: Work) -> None:
        """Nothing happens: the entry stays."""

    def begin(self) -> None:
        run_id, work = self.chance.choice(RUNS), self.chance.choice(WORKS)
        try:
            at_work = self.world.enter(run_id, work, self.most)
        except LockedError:
            return
        self.alive.append((run_id, work, at_work))
        self.check()

    def wait(self, seconds: float) -> None:
        """Let time pass; the living wait too, and keep their heartbeats. Whoever was replaced stops."""
        while seconds > 0:
            self.world.clock.seconds += min(seconds, 20.0)
            seconds -= 20.0
            for one in list(self.alive):
                one[2].presence.beat_if_due()
        self.alive = [one for one in self.alive if one[2].lost is None]

    def may_begin(self, at_work: AtWork) -> bool:
        """Return whether a command may change anything. One that was stopped in a call learns it then."""
        try:
            at_work.presence.guard("add_steps")
        except FencedError:
            return False
        return True

    def check(self) -> None:
        """No more runs than allowed, and no two commands of one run at the same work."""
        deep, self.depth = self.depth, _DEEPEST
        self.alive = [one for one in self.alive if self.may_begin(one[2])]
        for at, (run_id, work, at_work) in enumerate(self.alive):
            assert at_work.lost is None
            for other_id, other, _ in self.alive[at + 1 :]:
                overlaps = work.whole or other.whole or set(work.phases) & set(other.phases)
                assert run_id != other_id or not overlaps, (run_id, work, other)
        assert len({run_id for run_id, _, _ in self.alive}) <= self.most
        assert {run_id for run_id, _, _ in self.alive} <= set(self.world.holders())
        self.depth = deep


@many
@given(st.integers(0, 2**64))
def test_no_order_lets_more_runs_work_than_allowed_and_the_dead_are_always_replaced(seed: int) -> None:
    schedule = Schedule(seed)
    for _ in range(4):
        try:
            schedule.act()
        except KilnError as error:
            raise AssertionError(f"seed {seed}: {error.message}") from error
        schedule.check()
    # All are killed now.
    schedule.world.aws.before_call = lambda _: None
    schedule.world.clock.wait(DEAD_SECONDS + 1, threading.Event())
    last = schedule.world.enter("r9", WHOLE, 1)
    assert schedule.world.holders() == ["r9"]
    last.leave()
    assert schedule.world.holders() == []
