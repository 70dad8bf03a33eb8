"""Ending clusters: all are asked for, DescribeCluster confirms each, the ledger records it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kiln.clock import timestamp
from kiln.emr import (
    cancelling,
    end_request,
    ending_search,
    existing,
    launch,
    lost_calls,
    ownership,
    states,
    waiting,
)
from kiln.emr.descriptions import describe_change, line
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    DeadlineError,
    KilnError,
    NotTerminatedError,
    ThrottledError,
)
from kiln.ledger.schema import NOT_FOUND, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.emr.cancelling import Kill
    from kiln.emr.ownership import Found
    from kiln.emr.waiting import Waiting
    from kiln.identity import Identity
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger

# For how long one cluster's request may hold up the request of the next.
_ASK_SECONDS = 10.0
# For how long the ends of clusters are written down while S3 does not answer: AWS itself says it too.
_RECORD_SECONDS = 30.0
# For how long EMR may take to end a cluster without a step to run.
_OWN_END_SECONDS = 60.0
_NO_ANSWER_OR_REFUSED = (AwsError, ThrottledError, ClusterNotFoundError)


def end_run(
    context: Context,
    identity: Identity,
    ledger: Ledger,
    limits: Waiting,
    launched: Sequence[str] = (),
    *,
    kill: Kill = cancelling.nothing,
) -> list[Cluster]:
    """End every cluster of a run: by name, tags, ledger, and what this process `launched`; none is fine.

    Of a run on a shared cluster the active steps are ended, with their YARN applications by `kill`. Raises
    NotTerminatedError (20) when one does not end, or when the sources contradict each other.
    """
    search = ending_search.search(context, identity, ledger, limits, launched)
    found, expected = search.found, search.expected
    # What was launched here is asked to end even while AWS does not show it.
    unseen = [one for one in found.unseen if one in launched]
    _ask_all(context, found.mine, unseen)
    ended: list[Cluster] = []
    refused: list[NotTerminatedError] = []
    for cluster_id in (*(one.id for one in found.mine), *unseen):
        try:
            ended.append(terminate(context, cluster_id, limits, ours=True))
        except NotTerminatedError as error:
            # One that does not end is no reason to leave the others alone.
            refused.append(error)
    ledger = ledger.on(context.within(_RECORD_SECONDS).effects)
    record_ends(ledger, [*(one for one in found.ended if one.id in expected), *ended])
    refused += _unsure(found, expected - set(launched), identity)
    if refused:
        raise refused[0]
    if search.shared:
        existing.leave(context, search.shared, identity, ledger, kill)
    if not ended and search.launch_is_open:
        launch.close_intent(ledger, NOT_FOUND)
    return ended


def wait_for_own_end(context: Context, cluster_id: str, limits: Waiting) -> None:
    """Return when EMR has begun to end a cluster whose steps are complete, or does not for a minute.

    Nothing is raised: who waits asks for the end after that.
    """
    with suppress(KilnError):
        waiting.until(
            context,
            lambda bounded: bounded.effects.describe_cluster(cluster_id),
            lambda seen: seen.state in states.CLUSTER_ENDING | states.CLUSTER_ENDED,
            what=f"the own end of cluster {cluster_id}",
            timeout_seconds=min(_OWN_END_SECONDS, limits.timeout_seconds),
            interval_seconds=limits.interval_seconds,
        )


def _ask_all(context: Context, found: Sequence[Cluster], unseen: Sequence[str]) -> None:
    """Ask for every end before the first is waited for. `terminate` asks again for what fails here."""
    for cluster in found:
        with suppress(*_NO_ANSWER_OR_REFUSED):
            end_request.ask(context.within(_ASK_SECONDS), cluster, ours=True)
    for cluster_id in unseen:
        with suppress(*_NO_ANSWER_OR_REFUSED):
            end_request.ask_unseen(context.within(_ASK_SECONDS), cluster_id, ours=True)


def would_end(context: Context, identity: Identity, ledger: Ledger, limits: Waiting) -> tuple[Cluster, ...]:
    """Return the clusters that `end_run` would end, and raise what it would raise about the others."""
    search = ending_search.search(context, identity, ledger, limits, ())
    refused = _unsure(search.found, search.expected, identity)
    if refused:
        raise refused[0]
    return search.found.mine


def _unsure(found: Found, expected: set[str], identity: Identity) -> list[NotTerminatedError]:
    """Return the errors for what may be the run's, and was not ended."""
    missing = sorted(expected.intersection(found.unseen))
    problems = [
        not_confirmed(cluster_id, f"the ledger of run {identity.run_id} has it, AWS does not show it")
        for cluster_id in missing
    ]
    return [*problems, _disputed(found.disputed, identity)] if found.disputed else problems


def _disputed(found: Sequence[Cluster], identity: Identity) -> NotTerminatedError:
    ids = " ".join(one.id for one in found)
    return NotTerminatedError(
        f"{ownership.contradiction(found, identity)}: it was not ended",
        fix=f"if it is this run's: aws emr terminate-clusters --cluster-ids {ids}",
        details=tuple(line(one) for one in found),
    )


def terminate(context: Context, cluster_id: str, limits: Waiting, *, ours: bool = False) -> Cluster:
    """End a cluster; return only when DescribeCluster says that it ended. Raises NotTerminatedError (20).

    Its protection is cleared when its tags say that it is Kiln's, or the caller knows that it is (`ours`). A
    refusal is asked again until the time is over: the error then has the last one.
    """
    started = context.clock.monotonic()
    request = end_request.Request(context, ours=ours)

    def poll(bounded: Context) -> Cluster | None:
        try:
            cluster = bounded.effects.describe_cluster(cluster_id)
        except ClusterNotFoundError:
            if context.clock.monotonic() - started >= lost_calls.LAG_SECONDS:
                raise
            # Reads may lag: the cluster may exist all the same.
            end_request.ask_unseen(bounded, cluster_id, ours=ours)
            return None
        request.make(bounded, cluster)
        return cluster

    try:
        seen = waiting.until(
            context,
            poll,
            lambda seen: seen is not None and seen.state in states.CLUSTER_ENDED,
            what=f"the end of cluster {cluster_id}",
            timeout_seconds=limits.timeout_seconds,
            interval_seconds=limits.interval_seconds,
            on_change=lambda seen: context.report(describe_change(seen)) if seen else None,
        )
    except (AwsError, ThrottledError, DeadlineError, ClusterNotFoundError) as error:
        raise not_confirmed(cluster_id, error.message, request.refusal) from error
    if seen is None:
        raise not_confirmed(cluster_id, "AWS does not show it")
    return seen


def not_confirmed(cluster_id: str, why: str, refusal: AwsError | None = None) -> NotTerminatedError:
    """Return the error for a cluster whose end AWS has not confirmed, with AWS's last refusal."""
    last = f"; the last request was refused: {refusal.message}" if refusal else ""
    return NotTerminatedError(
        f"AWS did not confirm that cluster {cluster_id} ended: {why}{last}",
        fix=f"it may still cost money: {_how_to_end(cluster_id, refusal)}",
    )


def _how_to_end(cluster_id: str, refusal: AwsError | None) -> str:
    """Return what a person can do about a cluster, by AWS's last refusal."""
    by_hand = f"aws emr terminate-clusters --cluster-ids {cluster_id}"
    if refusal is None:
        return by_hand
    # How EMR refuses to end a protected cluster (docs/aws_facts.md 1.6); all else is a permission.
    if refusal.code == "ValidationException":
        unprotect = f"aws emr modify-cluster-attributes --cluster-id {cluster_id} --no-termination-protected"
        return f"{unprotect}; {by_hand}"
    return f"give this user the permission (iam/operator.json), or as an administrator: {by_hand}"


def record_ends(ledger: Ledger, clusters: Sequence[Cluster]) -> None:
    """Write down that clusters have ended. A ledger that cannot be written is left as it is."""
    if not clusters:
        return

    def change(run: Run) -> None:
        for cluster in clusters:
            open_ones = [one for one in run.attempts if one.cluster_id == cluster.id and one.ended_at is None]
            for attempt in open_ones:
                # Another may have ended it long ago.
                at = timestamp(cluster.ended_at) if cluster.ended_at else ledger.now()
                attempt.ended_at, attempt.end_state = at, cluster.state
            data = {"cluster_id": cluster.id, "state": cluster.state}
            run.events.append(Event(at=ledger.now(), kind="cluster_ended", data=data))
        if all(one.ended_at for one in run.attempts):
            run.held_until = None

    ledger.try_update(change)
