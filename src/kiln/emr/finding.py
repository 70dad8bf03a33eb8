"""The one cluster that an action works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import advice, identity, phases
from kiln.emr import clusters, existing, lost_calls, ownership, states
from kiln.emr.descriptions import line
from kiln.errors import ClusterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, ClusterSummary
    from kiln.emr.ownership import Found
    from kiln.identity import Identity
    from kiln.ledger.store import Ledger


def usable(context: Context, run: Identity, ledger: Ledger | None) -> list[Cluster]:
    """Return the run's clusters that can be used, oldest first; the shared one of a run that uses one.

    A cluster that the ledger remembers as launched and not as ended is waited for until AWS shows it. Raises
    ClusterNotFoundError when it never does, and when the sources contradict each other about a cluster.
    """
    kept = ledger.read_if_possible() if ledger else None
    if shared := existing.recorded(context, kept):
        return [shared]
    expected = set(kept.expected_ids(context.clock.now()) if kept else ())
    remembered = kept.own_cluster_ids if kept else []

    def find() -> Found | None:
        found = ownership.of_run(context, run, remembered)
        return None if not found.mine and expected.intersection(found.unseen) else found

    missing = ClusterNotFoundError(
        f"the ledger of run {run.run_id} has {', '.join(sorted(expected))}, which AWS does not show",
        fix="run the same action again; if the error stays, find that cluster in the console",
    )
    found = lost_calls.shown(context, find, f"the cluster of run {run.run_id}", missing)
    if found.disputed and not found.mine:
        raise contradicting(found.disputed, run)
    return [one for one in found.mine if one.state in states.CLUSTER_USABLE]


def contradicting(found: Sequence[Cluster], run: Identity) -> ClusterNotFoundError:
    """Return the error for live clusters that may or may not be the run's."""
    return ClusterNotFoundError(
        ownership.contradiction(found, run),
        fix="see docs/operations/failed_run.md",
        details=tuple(line(one) for one in found),
    )


def only(
    context: Context,
    environment: str,
    pipeline: str,
    run_id: str | None = None,
    ledger_of: Callable[[Identity], Ledger] | None = None,
) -> Cluster:
    """Return the one usable cluster, or raise ClusterNotFoundError with the list of what there is."""
    if run_id is None:
        return _only_of_pipeline(context, environment, pipeline)
    run = identity.Identity(environment=environment, pipeline=pipeline, run_id=run_id)
    found = usable(context, run, ledger_of(run) if ledger_of else None)
    if len(found) == 1:
        return found[0]
    raise not_one(context, found, environment, pipeline, run_id)


def _only_of_pipeline(context: Context, environment: str, pipeline: str) -> Cluster:
    listed = clusters.listed(context, environment, pipeline, None, states.CLUSTER_USABLE)
    one = clusters.seen(context, listed[0].id) if len(listed) == 1 else None
    if one is None or one.state not in states.CLUSTER_USABLE:
        raise not_one(context, listed if len(listed) > 1 else [], environment, pipeline, None)
    run = identity.of_name(one.name)
    if run and not ownership.identity_of(one):
        raise contradicting([one], run)
    return one


def run_of_only(
    context: Context, listed: Sequence[ClusterSummary], environment: str, pipeline: str
) -> Identity | None:
    """Return the run of the only cluster that is listed, by its name; None for none.

    By name alone: a cluster whose tags were changed has to be ended, or reported, too. Raises
    ClusterNotFoundError for several.
    """
    if len(listed) > 1:
        raise not_one(context, listed, environment, pipeline, None)
    return identity.of_name(listed[0].name) if listed else None


def not_one(
    context: Context,
    found: Sequence[ClusterSummary],
    environment: str,
    pipeline: str,
    run_id: str | None,
) -> ClusterNotFoundError:
    """Return the error for a search that found none or several."""
    whose = f"pipeline {pipeline} in {environment}" + (f", run {run_id}" if run_id else "")
    if not found:
        launch = advice.action(phases.LAUNCH.name, environment, pipeline, run_id, by_hand=context.by_hand)
        return ClusterNotFoundError(f"no live cluster of {whose}", fix=f"launch one: {launch}")
    return ClusterNotFoundError(
        f"{len(found)} live clusters of {whose}",
        fix=f"choose one: {advice.run_option(by_hand=context.by_hand)}"
        if run_id is None
        else "end the one that is too many",
        details=tuple(line(cluster) for cluster in found),
    )
