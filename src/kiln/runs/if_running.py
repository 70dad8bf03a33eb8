"""What a command does when another run or command is at its work: fail, skip, wait, or follow that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr.waiting import Interval
from kiln.errors import DeadlineError, LockedError
from kiln.exit_codes import ExitCode
from kiln.reporter import QUIET_SECONDS
from kiln.runs import following

if TYPE_CHECKING:
    from kiln.emr.at_work import Arrival, AtWork
    from kiln.runs.result import Result
    from kiln.settings.model import IfRunning


def enter(
    arrival: Arrival, policy: IfRunning, *, timeout_seconds: float, waits_for_driver: bool = False
) -> AtWork | Result:
    """Begin to work, or return the result of the run that was followed instead (`attach`).

    `waits_for_driver`: another command of this very run is waited for, whatever the policy about other runs.
    Raises LockedError: with exit code 17 for `fail`, 99 for `skip`; 17 for `skip`, too, when no other run is
    at work: a driver of this run stands in its ledger, or the place of a dead run could not be taken. `wait`
    and `attach` raise DeadlineError (16) after `timeout_seconds` and InterruptedRunError; what others do is
    never ended by that.
    """
    wait = _Wait(arrival, timeout_seconds)
    while True:
        try:
            return arrival.enter()
        except LockedError as busy:
            own = arrival.identity.run_id
            if policy == "wait" or (waits_for_driver and busy.run_id == own):
                wait.once(busy)
                continue
            if policy == "skip" and busy.run_id not in {"", own}:
                raise LockedError(f"skipped: {busy.message}", exit_code=ExitCode.SKIP) from busy
            if policy == "attach" and busy.run_id:
                arrival.context.report(f"{busy.message}: following it")
                return following.follow(arrival, busy.run_id, timeout_seconds=timeout_seconds)
            raise


class _Wait:
    """The pauses until others are done, up to a deadline.

    Each change of whom is waited for is reported, and every QUIET_SECONDS that it has not changed.
    """

    def __init__(self, arrival: Arrival, timeout_seconds: float) -> None:
        self._context = arrival.context.within(timeout_seconds)
        self._seconds = timeout_seconds
        self._interval = Interval(self._context, arrival.limits.interval_seconds)
        self._shown: tuple[str, str] | None = None
        self._shown_at = 0.0

    def once(self, busy: LockedError) -> None:
        """Wait for one interval. Raises DeadlineError (16), InterruptedRunError."""
        context, now = self._context, (busy.run_id, busy.driver_id)
        changed = now != self._shown
        if changed or context.clock.monotonic() - self._shown_at >= QUIET_SECONDS:
            self._shown_at = context.clock.monotonic()
            context.report(f"{'waiting' if changed else 'still waiting'}: {busy.message}")
        if context.is_over():
            raise DeadlineError(
                f"waited {self._seconds:.0f} s: {busy.message}",
                fix="raise kiln_run_timeout_seconds, or see what that run does",
                details=busy.details,
            ) from busy
        left = context.ends_at - context.clock.monotonic()
        context.clock.wait(min(self._interval.next(changed=changed), left), context.stop.event)
        context.stop.check()
        self._shown = now
