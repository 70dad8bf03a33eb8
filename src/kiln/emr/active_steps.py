"""Steps that have not ended, of all runs of an environment: on clusters of their own, and on shared ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kiln.emr import clusters, existing
from kiln.errors import AwsError, ClusterNotFoundError
from kiln.identity import Identity, of_label, of_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import ClusterSummary, Step


class ActiveSteps(NamedTuple):
    """The active steps of one run on one cluster; none on a cluster of its own that has no work."""

    cluster: ClusterSummary
    run: Identity
    steps: Sequence[Step]


def of_environment(context: Context, environment: str, pipeline: str | None = None) -> list[ActiveSteps]:
    """Return the runs that have a live cluster, or active steps on one that is shared with them.

    Shared clusters are found by their tag: one without it, named by its id, is not looked at.
    """
    live = clusters.live(context)
    found = list(_of_own(context, clusters.of_runs(live, environment, pipeline)))
    shared = existing.shared_with(context, environment)
    for one in sorted(live, key=clusters.age):
        if one.id in shared:
            found += _of_others(context, one, environment)
    return [one for one in found if pipeline in {None, one.run.pipeline}]


def _of_own(context: Context, listed: Sequence[ClusterSummary]) -> Iterator[ActiveSteps]:
    for one in listed:
        if run := of_name(one.name):
            yield ActiveSteps(one, run, [step for step in _active(context, one) if not step.run])


def _of_others(context: Context, cluster: ClusterSummary, environment: str) -> Iterator[ActiveSteps]:
    try:
        active = _active(context, cluster)
    except AwsError as error:
        # Steps of other clusters are known all the same.
        context.report(f"steps on shared cluster {cluster.id} are not known: {error.message}")
        return
    for label in dict.fromkeys(step.run for step in active if step.run):
        run = of_label(label)
        if run.environment == environment:
            yield ActiveSteps(cluster, run, [step for step in active if step.run == label])


def _active(context: Context, cluster: ClusterSummary) -> list[Step]:
    try:
        return context.effects.list_steps(cluster.id, active=True)
    except ClusterNotFoundError:
        return []
