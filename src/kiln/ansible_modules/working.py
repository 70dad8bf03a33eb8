"""A module at work on a run: as a part of the driver that started its playbook, or as a driver of its own."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln import paths
from kiln.emr import cancelling
from kiln.emr.at_work import Arrival
from kiln.emr.pipeline_lock import PipelineLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kiln.aws.context import Context
    from kiln.emr.cancelling import Kill
    from kiln.emr.waiting import Waiting
    from kiln.ledger.drivers import Work
    from kiln.ledger.store import Ledger


@contextmanager
def at_work(
    context: Context,
    ledger: Ledger,
    work: Work,
    *,
    limits: Waiting,
    most: int | None = None,
    kill: Kill = cancelling.nothing,
) -> Iterator[tuple[Context, Ledger]]:
    """Yield what the module works with. In a playbook by hand it is a driver of the run for that time.

    `most`: how many runs may hold the pipeline's lock; None: the work needs no lock. `kill`
    ends the YARN applications of a dead run whose lock is taken over. Raises LockedError (17).
    """
    driver = os.environ.get(paths.DRIVER_VARIABLE)
    if driver:
        yield context, ledger.of_driver(driver)
        return
    entered = Arrival(
        context=context,
        identity=ledger.identity,
        state_uri=ledger.state_uri,
        work=work,
        limits=limits,
        most=most,
        kill=kill,
    ).enter()
    try:
        yield entered.context, entered.ledger
    finally:
        entered.leave()


def release_lock(context: Context, ledger: Ledger, limits: Waiting) -> None:
    """Give the pipeline's lock back after the end of a run's cluster."""
    lock = PipelineLock(context=context, identity=ledger.identity, state_uri=ledger.state_uri, limits=limits)
    lock.release()
