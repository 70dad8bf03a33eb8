"""The end of the clusters that a sweep has found: claimed in the ledger, asked for, confirmed by AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import end_request, terminate
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    KilnError,
    LockedError,
    NotTerminatedError,
    ThrottledError,
)
from kiln.ledger import drivers
from kiln.ledger.schema import Event
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kiln.aws.context import Context
    from kiln.emr.reaping import Case, Finding
    from kiln.emr.sweep import Seen
    from kiln.emr.waiting import Waiting
    from kiln.ledger.schema import Run

# For how long one cluster's request may hold up those of the others.
_ASK_SECONDS = 30.0
_RECORD_SECONDS = 30.0


def ask(context: Context, seen: Seen, state_uri: str) -> None:
    """Ask for the end of a cluster that is to be ended.

    Raises LockedError when a driver of its run has come to work since it was judged, or when the ledger,
    which alone makes it an orphan, cannot be written. A request that AWS does not accept now is made again by
    `confirm`.
    """
    if seen.case is None or seen.finding is None:
        return
    if seen.case.run is not None:
        _claim(context, seen.case, seen.finding, Ledger(context.effects, context.clock, state_uri, seen.run))
    try:
        end_request.ask(context.within(_ASK_SECONDS), seen.case.cluster, ours=True)
    except (AwsError, ThrottledError, ClusterNotFoundError) as error:
        context.report(f"cluster {seen.case.cluster.id}: {error.message}")


def _claim(context: Context, case: Case, finding: Finding, ledger: Ledger) -> None:
    """Write down why the cluster ends, and remove dead drivers: one that was only slow then finds out.

    The write is conditional, so a driver that has registered meanwhile is seen.
    """

    def change(run: Run) -> None:
        living = drivers.alive(run, ledger.aws_now())
        if living and not finding.reason.despite_driver:
            raise LockedError(f"a driver of run {run.run_id} is at work again: its cluster stays")
        run.drivers = living
        data = {"cluster_id": case.cluster.id, "reason": finding.reason.name, "why": finding.why}
        run.events.append(Event(at=ledger.now(), kind="reaped", data=data))

    try:
        ledger.on(context.within(_RECORD_SECONDS).effects).update(change)
    except LockedError:
        raise
    except KilnError as error:
        if not finding.reason.despite_driver:
            raise LockedError(
                f"cluster {case.cluster.id} stays until its ledger can be written: {error.message}"
            ) from error
        context.report(f"{error.message}: going on without the ledger")


def confirm(
    context: Context, swept: Iterable[Seen], limits: Waiting, state_uri: str
) -> Iterator[tuple[Seen, NotTerminatedError | None]]:
    """Wait until AWS says that the clusters have ended, all of them within one time limit.

    Yields each with its error, None for one that has ended; its end is then in the ledger.
    """
    bounded = context.within(limits.timeout_seconds)
    for seen in swept:
        try:
            ended = terminate.terminate(bounded, seen.summary.id, limits, ours=True)
        except NotTerminatedError as error:
            yield seen, error
            continue
        if seen.case and seen.case.run is not None:
            effects = context.within(_RECORD_SECONDS).effects
            terminate.record_ends(Ledger(effects, context.clock, state_uri, seen.run), [ended])
        yield seen, None
