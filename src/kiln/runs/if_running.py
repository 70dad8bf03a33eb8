"""What a command does when another run or command is at its work: fail, skip, wait, or follow that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr.waiting import Interval
from kiln.errors import DeadlineError, LockedError
from kiln.exit_codes import ExitCode
from kiln.runs import following

if TYPE_CHECKING:
    from kiln.emr.at_work import Arrival, AtWork
    from kiln.runs.result import Result
    from kiln.settings.model import IfRunning


def enter(arrival: Arrival, policy: IfRunning, *, timeout_seconds: float) -> AtWork | Result:
    """Begin to work, or return the result of the run that was followed instead (`attach`).

    Raises LockedError: with exit code 17 for `fail`, 99 for `skip`; 17 for `skip`, too, when no other run is
    at work: a driver of this run stands in its ledger, or the place of a dead run could not be taken. `wait`
    and `attach` raise DeadlineError (16) after `timeout_seconds` and InterruptedRunError; what others do is
    never ended by that.
    """
    try:
        return arrival.enter()
    except LockedError as busy:
        if policy == "skip" and busy.run_id not in {"", arrival.identity.run_id}:
            raise LockedError(f"skipped: {busy.message}", exit_code=ExitCode.SKIP) from busy
        if policy == "attach" and busy.run_id:
            arrival.context.report(f"{busy.message}: following it")
            return following.follow(arrival, busy.run_id, timeout_seconds=timeout_seconds)
        if policy != "wait":
            raise
        return _wait(arrival, busy, timeout_seconds)


def _wait(arrival: Arrival, busy: LockedError, timeout_seconds: float) -> AtWork:
    """Try again and again until the others are done; report each change of whom is waited for."""
    context = arrival.context.within(timeout_seconds)
    interval = Interval(context, arrival.limits.interval_seconds)
    shown: tuple[str, str] | None = None
    while True:
        now = (busy.run_id, busy.driver_id)
        if now != shown:
            context.report(f"waiting: {busy.message}")
        if context.is_over():
            raise DeadlineError(
                f"waited {timeout_seconds:.0f} s: {busy.message}",
                fix="raise kiln_run_timeout_seconds, or see what that run does",
                details=busy.details,
            )
        left = context.ends_at - context.clock.monotonic()
        context.clock.wait(min(interval.next(changed=now != shown), left), context.stop.event)
        context.stop.check()
        shown = now
        try:
            return arrival.enter()
        except LockedError as error:
            busy = error
