"""One round of the poller: what it asks AWS for all waits of the host, and how often, within a budget.

A round costs one ListClusters for each 50 live clusters of the account, one DescribeInstances, and a few
ListSteps: ListClusters shows that a cluster has nothing more to run, but not that one of several steps ended.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from kiln.aws.quotas import PAGE
from kiln.emr import ec2_nodes, states
from kiln.errors import KilnError
from kiln.identity import MANAGED_BY
from kiln.watching.snapshot import GONE, News, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.aws.context import Context
    from kiln.aws.watch import Node

# Calls of EMR a minute for all runs of a host, while nothing changes. Runs that are woken, or that ask for
# themselves from time to time, make calls beside these.
CALLS_A_MINUTE = 10
# Clusters with several active steps whose steps are listed in a round.
_PROBES = 5
_IDS_PER_CALL = 10  # docs/aws_facts.md 1.5
JITTER = 0.1


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the poller of an environment is given."""

    environment: str
    interval_seconds: float


def poll(
    context: Context, plan: Plan, last: Snapshot, waits: Mapping[str, frozenset[str]], now: float
) -> Snapshot:
    """Ask AWS once for all waits, and return the next snapshot. Raises what ListClusters raises.

    `waits` are the steps that are waited for, by cluster.
    """
    once = context.within(0)
    live = {one.id: one.state for one in once.effects.list_clusters(states.CLUSTER_LIVE)}
    nodes = _nodes(once, plan.environment)
    known = {
        cluster_id: msgspec.structs.replace(
            last.clusters.get(cluster_id, News()),
            state=live.get(cluster_id, GONE),
            nodes=nodes.get(cluster_id, {}),
        )
        for cluster_id in waits
    }
    calls = max(1, math.ceil(len(live) / PAGE))
    for cluster_id in _to_probe(waits, known):
        calls += math.ceil(len(waits[cluster_id]) / _IDS_PER_CALL)
        known[cluster_id] = _probed(once, cluster_id, waits[cluster_id], known[cluster_id], now)
    seconds = max(plan.interval_seconds, 60 * calls / CALLS_A_MINUTE)
    seconds *= context.random.uniform(1 - JITTER, 1 + JITTER)
    return msgspec.structs.replace(last, clusters=known, next_round_at=now + seconds, failures=0)


def _to_probe(waits: Mapping[str, frozenset[str]], known: Mapping[str, News]) -> list[str]:
    """Return the clusters whose steps are listed: those with several active ones, else one in turn.

    The one in turn finds the end of a step that another driver's step followed at once.
    """
    busy = [one for one in waits if waits[one] and known[one].state == "RUNNING"]
    in_turn = sorted(busy, key=lambda one: known[one].probed_at)
    several = [one for one in in_turn if len(waits[one]) > 1]
    return several[:_PROBES] or in_turn[:1]


def _probed(context: Context, cluster_id: str, step_ids: frozenset[str], news: News, now: float) -> News:
    """Return the news with the states of steps; when they cannot be had, it is this cluster's turn later."""
    wanted, found = sorted(step_ids), dict[str, str]()
    with suppress(KilnError):
        for start in range(0, len(wanted), _IDS_PER_CALL):
            listed = context.effects.list_steps(cluster_id, wanted[start : start + _IDS_PER_CALL])
            found |= {one.id: one.state for one in listed}
    return msgspec.structs.replace(news, steps=found, probed_at=now)


def _nodes(context: Context, environment: str) -> dict[str, dict[str, Node]]:
    """Return the nodes of all clusters of the environment; none when EC2 does not say."""
    filters = {"tag:managed_by": [MANAGED_BY], "tag:environment": [environment]}
    try:
        return ec2_nodes.by_cluster(context.effects.find_instances(filters | ec2_nodes.EVERY_STATE))
    except KilnError:
        return {}
