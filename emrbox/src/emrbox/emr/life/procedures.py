"""Work that takes time, as generators: each yields what it waits for and goes on in a later turn.

The code between two yields runs in a turn of the engine, under the cluster's lock. What is slow is a job,
which runs outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

T = TypeVar("T")


class Wait(Protocol):
    """What a procedure waits for."""

    @property
    def moment(self) -> datetime | None:
        """When it is over at the latest; None if no time ends it."""

    def is_over(self, now: datetime) -> bool:
        """Whether the procedure can go on."""


Procedure = Generator[Wait, None, T]


class Until:
    """A moment to wait for, or a condition on the records if that holds before; at least one is given."""

    def __init__(self, moment: datetime | None, holds: Callable[[], bool] = lambda: False) -> None:
        self.moment = moment
        self._holds = holds

    def is_over(self, now: datetime) -> bool:
        """Whether the moment has come or the condition holds."""
        return (self.moment is not None and now >= self.moment) or self._holds()


class Completion(Generic[T]):
    """A result that is reported later, from any thread. The first report counts."""

    moment: datetime | None = None

    def __init__(self) -> None:
        self._take: Callable[[], T] | None = None

    def succeed(self, result: T) -> None:
        """Report the result."""
        self._take = self._take or (lambda: result)

    def fail(self, problem: Exception) -> None:
        """Report that there is none, and why."""

        def take() -> T:
            raise problem

        self._take = self._take or take

    @property
    def is_reported(self) -> bool:
        """Whether `value` can be asked for."""
        return self._take is not None

    def is_over(self, now: datetime) -> bool:  # noqa: ARG002  # no time ends it
        """Whether it has been reported."""
        return self.is_reported

    def value(self) -> T:
        """Return the result, or raise what it failed with."""
        if self._take is None:
            raise RuntimeError("the result was not reported yet")
        return self._take()


class Job(Completion[T]):
    """One blocking call on the machines."""

    def __init__(self, name: str, call: Callable[[], T]) -> None:
        super().__init__()
        self.name = name
        self._call = call

    def run(self) -> None:
        """Make the call and report its result. Does not raise."""
        try:
            self.succeed(self._call())
        except Exception as problem:  # noqa: BLE001  # the procedure that waits gets it
            self.fail(problem)


# Begins a job. Unless the job takes no time, it must return before the job is over and call the cluster's
# `wake` after it.
StartJob = Callable[[Job[Any]], None]


def run_at_once(job: Job[Any]) -> None:
    """Run a job that takes no time."""
    job.run()


class Procedures:
    """The procedures of one cluster that are under way."""

    def __init__(self) -> None:
        self._waiting: dict[Procedure[None], Wait] = {}

    def begin(self, procedure: Procedure[None]) -> None:
        """Run a procedure to its first wait. A procedure handles its own exceptions."""
        self._resume(procedure)

    def advance(self, now: datetime) -> bool:
        """Resume each procedure whose wait is over, once. Returns whether there was one."""
        ready = [procedure for procedure, wait in self._waiting.items() if wait.is_over(now)]
        for procedure in ready:
            del self._waiting[procedure]
            self._resume(procedure)
        return bool(ready)

    def moments(self) -> list[datetime]:
        """Return the moments that procedures wait for."""
        return [wait.moment for wait in self._waiting.values() if wait.moment is not None]

    def _resume(self, procedure: Procedure[None]) -> None:
        wait = next(procedure, None)
        if wait is not None:
            self._waiting[procedure] = wait
