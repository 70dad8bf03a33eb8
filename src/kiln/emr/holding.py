"""Holding a cluster for debugging: its expiry in its tags, in EMR's idle policy and in the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from kiln import advice, identity, paths, phases
from kiln.clock import timestamp
from kiln.durations import LONGEST_HOLD, SHORTEST_HOLD
from kiln.emr import idle, ownership, states, steps, tags
from kiln.errors import ClusterNotFoundError
from kiln.ledger.schema import Event

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger
    from kiln.settings.model import ClusterShape


class Hold(NamedTuple):
    """Until when a cluster is held, as its tag has it, and what a person can do meanwhile."""

    until: str
    lines: tuple[str, ...]


def hold(context: Context, cluster: Cluster, seconds: int, ledger: Ledger) -> Hold:
    """Keep a cluster for `seconds` (60 to 604,800) from now on, then let it end, whoever is still there.

    `kiln reap` ends it by its tags then, and EMR by itself when nothing has run on it for that long. Raises
    ClusterNotFoundError for a cluster that is ending or that is not Kiln's by its tags, and what AWS answers
    when a tag or the policy is refused: the caller should then end the cluster.
    """
    seconds = min(max(seconds, SHORTEST_HOLD), LONGEST_HOLD)
    if cluster.state not in states.CLUSTER_USABLE:
        raise ClusterNotFoundError(f"cluster {cluster.id} is {cluster.state} and cannot be held")
    if ownership.identity_of(cluster) is None:
        raise ClusterNotFoundError(f"the tags of cluster {cluster.id} do not say that it is Kiln's: not held")
    now = context.clock.now()
    since = idle.since(cluster, steps.listed_if_any(context, cluster.id))
    # EMR counts from when the cluster became idle, which was before now.
    idle_for = (now - since).total_seconds() if since else 0.0
    until = timestamp(now + timedelta(seconds=seconds))
    _set(context, cluster.id, round(seconds + max(0.0, idle_for)), expires_at=until, held_until=until)
    _remember(ledger, until, cluster.id)
    return Hold(
        until, (f"cluster {cluster.id} is kept until {until} for debugging", *_commands(context, cluster))
    )


def release(context: Context, cluster: Cluster, shape: ClusterShape, ledger: Ledger) -> None:
    """Take a hold back, so that a run can go on: the cluster has its whole lifetime before it again."""
    expires_at = timestamp(context.clock.now() + timedelta(seconds=shape.max_lifetime_seconds))
    _set(context, cluster.id, shape.idle_timeout_seconds, expires_at=expires_at, held_until="")
    _remember(ledger, None, cluster.id)


def _set(context: Context, cluster_id: str, idle_seconds: int, *, expires_at: str, held_until: str) -> None:
    idle_seconds = min(idle_seconds, LONGEST_HOLD)
    context.effects.set_idle_timeout(cluster_id, idle_seconds)
    changed = {
        tags.EXPIRES_AT: expires_at,
        tags.HELD_UNTIL: held_until,
        tags.IDLE_TIMEOUT: str(idle_seconds),
    }
    context.effects.add_tags(cluster_id, changed)


def _remember(ledger: Ledger, until: str | None, cluster_id: str) -> None:
    def change(run: Run) -> None:
        run.held_until = until
        kind = "held" if until else "hold_released"
        run.events.append(Event(at=ledger.now(), kind=kind, data={"cluster_id": cluster_id, "until": until}))

    # The tags decide; the ledger shows it.
    ledger.try_update(change)


def _commands(context: Context, cluster: Cluster) -> tuple[str, ...]:
    of = identity.of_name(cluster.name)
    if of is None:
        return ()
    named = ("--env", of.environment, "--run-id", of.run_id)
    end = advice.action(
        phases.TERMINATE.name, of.environment, of.pipeline, of.run_id, by_hand=context.by_hand
    )
    return (
        f"  a shell on its master:  {paths.command('ssh', of.pipeline, *named)}",
        f"  its web pages:          {paths.command('tunnel', of.pipeline, *named)}",
        f"  keep it longer:         {paths.command('hold', of.pipeline, *named, '--for', '2h')}",
        f"  end it now:             {end}",
    )
