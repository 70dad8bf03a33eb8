"""Further attempts of a run on new clusters: after which failures, how many, and with which settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kiln.failure_classes import OF
from kiln.settings.model import CLUSTER_PREFIX, Alternative, ClusterShape, Driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.errors import KilnError
    from kiln.ledger.schema import Run

_HOUR = 3600.0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts a command makes, `delay_seconds` apart, with what, and for how many node hours.

    `nodes` is the size of a cluster; `most_node_hours` 0 is no limit.
    """

    attempts: int = 1
    delay_seconds: float = 0.0
    alternatives: tuple[Alternative, ...] = ()
    most_node_hours: float = 0.0
    nodes: int = 1

    def tries_again(self, error: KilnError, made: int, seconds_left: float) -> bool:
        """Return whether another attempt may help after `made` ones, and there is time for it."""
        may_help = OF[error.failure_class].new_cluster
        return may_help and made < self.attempts and seconds_left > self.delay_seconds

    def settings_of(self, number: int) -> dict[str, Any]:
        """Return the launch variables that attempt `number` (from 1) has in place of the pipeline's own.

        The first has none, the next ones the alternatives in order; after the last it begins anew.
        """
        choices = ({}, *map(_variables, self.alternatives))
        return choices[(number - 1) % len(choices)]

    def seconds_left(self, used_node_hours: float) -> float:
        """Return for how long one cluster may still run, when there is a limit of node hours."""
        return max(0.0, self.most_node_hours - used_node_hours) * _HOUR / self.nodes


def of_settings(driver: Driver, shape: ClusterShape) -> Policy:
    """Return the policy of a pipeline: of one on an existing cluster one attempt, which costs no nodes."""
    if driver.emr_cluster_existing.is_named:
        return Policy()
    return Policy(
        attempts=driver.kiln_attempts,
        delay_seconds=driver.kiln_attempt_delay_seconds,
        alternatives=driver.kiln_alternatives,
        most_node_hours=driver.kiln_most_node_hours,
        nodes=shape.most_nodes,
    )


def _variables(alternative: Alternative) -> dict[str, Any]:
    given = msgspec.to_builtins(alternative)
    return {f"{CLUSTER_PREFIX}{name}": value for name, value in given.items() if value}


def node_hours(run: Run | None, age_seconds: Callable[[str], float]) -> float:
    """Return the node hours of a run's clusters so far, from their launch to their end."""
    total = 0.0
    for attempt in run.attempts if run else ():
        if attempt.cluster_id is not None:
            ended = age_seconds(attempt.ended_at) if attempt.ended_at else 0.0
            total += max(0.0, age_seconds(attempt.intent_at) - ended) * attempt.nodes
    return total / _HOUR
