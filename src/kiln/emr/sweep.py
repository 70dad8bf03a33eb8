"""One sweep of `kiln reap` over the clusters of an environment, by their names and tags.

EMR is asked for ListClusters once, for DescribeCluster once a cluster, and for ListSteps of those that may be
idle; S3 for one ledger a run.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kiln.emr import clusters, ownership, reaping, states, steps, tags
from kiln.errors import KilnError
from kiln.identity import of_name
from kiln.ledger.schema import LedgerUnreadableError
from kiln.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, ClusterSummary
    from kiln.emr.reaping import Case, Finding
    from kiln.identity import Identity
    from kiln.ledger.schema import Run


class Asked(NamedTuple):
    """Whose clusters are looked at, where the ledgers are, and the grace of idle clusters in seconds."""

    environment: str
    state_uri: str
    grace_seconds: float


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A live cluster with a name of this environment.

    `finding` is why it is to be ended. Without a `case` it was not judged: its tags do not say that it is
    Kiln's, or AWS gave no answer about it (`error`). `note` is what a person should know beside that.
    """

    summary: ClusterSummary
    run: Identity
    owner: str = ""
    case: Case | None = None
    finding: Finding | None = None
    error: KilnError | None = None
    note: str = ""


class _Kept(NamedTuple):
    """A ledger as far as it can be read, at `aws_now` by S3's time: `is_unknown` while S3 gives no answer."""

    run: Run | None
    aws_now: datetime
    is_unknown: bool = False
    note: str = ""


def of_environment(context: Context, asked: Asked) -> Iterator[list[Seen]]:
    """Yield the live clusters of an environment, those of one run together and judged together.

    Whoever ends some of them should do so before the next ones are asked for: what was read may change.
    """
    named = [(of, one) for one in clusters.listed(context, asked.environment) if (of := of_name(one.name))]
    by_run = sorted(named, key=lambda pair: (pair[1].name, pair[1].created_at))
    for _, group in groupby(by_run, key=lambda pair: pair[1].name):
        pairs = list(group)
        yield _of_run(context, asked, pairs[0][0], [one for _, one in pairs])


def _of_run(context: Context, asked: Asked, run: Identity, listed: Sequence[ClusterSummary]) -> list[Seen]:
    try:
        found = [one for summary in listed if (one := clusters.seen(context, summary.id))]
    except KilnError as error:
        # One run that cannot be asked about is no reason to leave the others out.
        return [Seen(summary=summary, run=run, error=error) for summary in listed]
    live = sorted((one for one in found if one.state in states.CLUSTER_LIVE), key=clusters.age)
    mine = [one for one in live if ownership.identity_of(one)]
    foreign = [
        Seen(summary=one, run=run, owner=_owner(one), note="its tags do not say that it is Kiln's")
        for one in live
        if one not in mine
    ]
    ledger = Ledger(context.effects, context.clock, asked.state_uri, run)
    kept = _remembered(ledger) if mine else _Kept(None, ledger.aws_now())
    usable = [one.id for one in mine if one.state in states.CLUSTER_USABLE]
    cases = [
        reaping.Case(
            cluster=one,
            now=context.clock.now(),
            aws_now=kept.aws_now,
            grace_seconds=asked.grace_seconds,
            run=kept.run,
            is_unknown=kept.is_unknown,
            older=usable[0] if one.id in usable[1:] else "",
        )
        for one in mine
    ]
    return [*(_judged(context, run, case, kept.note) for case in cases), *foreign]


def _owner(cluster: Cluster) -> str:
    return cluster.tags.get(tags.OWNER, "")


def _remembered(ledger: Ledger) -> _Kept:
    """Read a ledger. A damaged one stops nothing, but while S3 gives no answer a driver may be at work."""
    try:
        run = ledger.read()
    except LedgerUnreadableError as error:
        return _Kept(None, ledger.aws_now(), note=f"{error.message}: judged by its tags")
    except KilnError as error:
        return _Kept(
            None, ledger.aws_now(), is_unknown=True, note=f"{error.message}: judged by its expiry only"
        )
    return _Kept(run, ledger.aws_now())


def _judged(context: Context, run: Identity, case: Case, note: str) -> Seen:
    summary, owner = case.cluster, _owner(case.cluster)
    try:
        finding = reaping.judged(case)
        if finding and finding.reason.name == reaping.IDLE:
            # As long as no step is known it counts as idle since it was ready.
            case = msgspec.structs.replace(case, steps=tuple(steps.listed_if_any(context, summary.id)))
            finding = reaping.judged(case)
    except KilnError as error:
        return Seen(summary=summary, run=run, owner=owner, error=error, note=note)
    return Seen(summary=summary, run=run, owner=owner, case=case, finding=finding, note=note)
