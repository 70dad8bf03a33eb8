"""The error for work that another command or another run does already: who that is, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import paths, phases
from kiln.errors import LockedError
from kiln.ledger import drivers

if TYPE_CHECKING:
    from datetime import datetime

    from kiln.identity import Identity
    from kiln.ledger.schema import Driver, Run


def command_at_work(identity: Identity, run: Run, driver: Driver, now: datetime) -> LockedError:
    """Return the error for a run on which another command works."""
    who = _who(driver, now, run.owner, _cluster_of(run))
    return _locked(identity, f"another command works on {_name(identity)}: {who}", driver)


def run_at_work(
    identity: Identity, run: Run | None, now: datetime, *, owner: str, cluster: str
) -> LockedError:
    """Return the error for a pipeline that a run holds; `cluster` is what AWS shows of it, if anything."""
    driver = next(iter(drivers.alive(run, now) or drivers.dead(run, now)), None)
    who = _who(driver, now, owner, cluster or (_cluster_of(run) if run else ""))
    return _locked(identity, f"{_name(identity)} is at work: {who}", driver)


def _name(identity: Identity) -> str:
    return f"run {identity.run_id} of {identity.pipeline} in {identity.environment}"


def _who(driver: Driver | None, now: datetime, owner: str, cluster: str) -> str:
    shown = drivers.described(driver, now) if driver else "no command works on it now"
    return ", ".join(filter(None, (f"owner {owner}" if owner else "", shown, cluster)))


def _cluster_of(run: Run) -> str:
    return f"cluster {run.cluster_ids[-1]}" if run.cluster_ids else "no cluster yet"


def _locked(identity: Identity, message: str, driver: Driver | None) -> LockedError:
    where = ("--env", identity.environment)
    one = (*where, "--run-id", identity.run_id)
    error = LockedError(
        message,
        fix="wait (--if-running wait), follow that run (--if-running attach), or type one of these commands",
        details=(
            f"what it does:      {paths.command('status', identity.pipeline, *one)}",
            f"go on with it:     {paths.command('resume', identity.pipeline, *one)}",
            f"end its cluster:   {paths.command('run', identity.pipeline, phases.TERMINATE.name, *one)}",
            f"end what is left:  {paths.command('reap', *where)}",
        ),
    )
    error.run_id = identity.run_id
    error.driver_id = driver.id if driver else ""
    return error
