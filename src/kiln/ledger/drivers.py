"""The drivers of a run: which of them live, and which of them cannot work side by side."""

from __future__ import annotations

import os
import secrets
import socket
from typing import TYPE_CHECKING, NamedTuple

from kiln import this_process
from kiln.clock import timestamp
from kiln.ledger.schema import DEAD_SECONDS, Driver, Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_UNKNOWN = "unknown"


class Work(NamedTuple):
    """What a command does on a run: its phases; `whole`: it answers for the end of the run's cluster.

    `begins_anew`: it goes on with a run that was cancelled.
    """

    phases: Sequence[str]
    whole: bool = False
    begins_anew: bool = False


def made(work: Work, now: datetime) -> Driver:
    """Return the entry of this process."""
    pid = os.getpid()
    return Driver(
        id=secrets.token_hex(8),
        host=socket.gethostname() or _UNKNOWN,
        pid=pid,
        phases=list(dict.fromkeys(work.phases)),
        whole=work.whole,
        started_at=timestamp(now),
        heartbeat_at=timestamp(now),
        machine=this_process.machine(),
        process_started=this_process.started(pid),
    )


def is_dead(driver: Driver, now: datetime) -> bool:
    """Return whether a driver has ended without saying so: its heartbeat is old, or its process is gone.

    `now` is S3's time (Ledger.aws_now).
    """
    if heartbeat_age(driver, now) > DEAD_SECONDS:
        return True
    return this_process.has_ended(driver.machine, driver.pid, driver.process_started)


def heartbeat_age(driver: Driver, now: datetime) -> float:
    """Return the age of a driver's heartbeat in seconds."""
    return max(0.0, Run.age_of(driver.heartbeat_at, now))


def alive(run: Run | None, now: datetime) -> list[Driver]:
    """Return the drivers of a run that live."""
    return [one for one in run.drivers if not is_dead(one, now)] if run else []


def dead(run: Run | None, now: datetime) -> list[Driver]:
    """Return the drivers of a run that are dead and stand in its ledger all the same."""
    return [one for one in run.drivers if is_dead(one, now)] if run else []


def conflict(one: Driver, other: Driver) -> bool:
    """Return whether two drivers cannot work on one run at once."""
    return one.whole or other.whole or not set(one.phases).isdisjoint(other.phases)


def described(driver: Driver, now: datetime) -> str:
    """Return a driver as a clause for people."""
    work = "the whole run" if driver.whole else ", ".join(driver.phases)
    age = heartbeat_age(driver, now)
    dead_word = ", dead" if is_dead(driver, now) else ""
    return f"{work} on host {driver.host}, pid {driver.pid}, last heartbeat {age:.0f} s ago{dead_word}"
