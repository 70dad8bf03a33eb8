"""The search for all clusters of a run that is to be ended: what is not found may still cost money."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kiln.emr import lost_calls, ownership, waiting
from kiln.errors import AwsError, DeadlineError, KilnError, NotTerminatedError, ThrottledError
from kiln.identity import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.emr.ownership import Found
    from kiln.emr.waiting import Waiting
    from kiln.identity import Identity
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger

# For how long the end of a cluster may wait for its ledger.
_LEDGER_SECONDS = 30.0


class Search(NamedTuple):
    """What AWS shows, the ids that AWS must know, and whether a launch has no recorded outcome.

    `shared` is the id of the existing cluster that the run uses, if it does.
    """

    found: Found
    expected: set[str]
    launch_is_open: bool
    shared: str | None = None


def search(
    context: Context, identity: Identity, ledger: Ledger, limits: Waiting, launched: Sequence[str]
) -> Search:
    """Find the clusters of a run that is to be ended: by name, by ledger, and those `launched` here.

    Clusters that AWS must know are waited for, and so is the cluster of a launch without a recorded outcome.
    Raises NotTerminatedError when AWS does not answer.
    """
    started = context.clock.monotonic()
    try:
        run, is_open = _remembered(context, ledger)
        expected = {*launched, *(run.expected_ids(context.clock.now()) if run else ())}

        def done(found: Found) -> bool:
            waited_for = expected & set(found.unseen)
            complete = not waited_for and (found.mine or found.disputed or not is_open)
            return bool(complete) or context.clock.monotonic() - started >= lost_calls.LAG_SECONDS

        found = waiting.until(
            context,
            lambda bounded: ownership.of_run(bounded, identity, run.own_cluster_ids if run else (), launched),
            done,
            what=f"the search for the clusters of run {identity.run_id}",
            timeout_seconds=max(limits.timeout_seconds, lost_calls.LAG_SECONDS * 2),
            interval_seconds=min(limits.interval_seconds, lost_calls.LAG_INTERVAL_SECONDS),
        )
    except (AwsError, ThrottledError, DeadlineError) as error:
        raise NotTerminatedError(
            f"AWS did not say whether run {identity.run_id} still has a cluster: {error.message}",
            fix=error.fix or "run the terminate action again when AWS answers",
            details=(f"clusters of such a run are named {name_of(identity)}",),
        ) from error
    return Search(found, expected, is_open, run.shared_cluster_id if run else None)


def _remembered(context: Context, ledger: Ledger) -> tuple[Run | None, bool]:
    """Return the ledger, and whether there may be a launch without a recorded outcome."""
    try:
        run = ledger.on(context.within(_LEDGER_SECONDS).effects).read()
    except KilnError as error:
        context.report(f"{error.message}: going on by name and tags")
        return None, True
    return run, run is not None and run.launch_is_open
