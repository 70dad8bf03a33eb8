"""The request that ends a cluster, with its protection cleared first where the cluster is Kiln's."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kiln.emr import states
from kiln.errors import AwsError, ClusterNotFoundError, UnansweredError
from kiln.identity import MANAGED_BY

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster

# EMR ends a cluster within 1 to 5 minutes (docs/aws_facts.md 1.6); one that takes longer is asked again.
STUCK_SECONDS = 300.0


def ask(context: Context, cluster: Cluster, *, ours: bool) -> None:
    """Ask for the end of a cluster, unless it is ending.

    Its protection is cleared when its tags say that it is Kiln's, or the caller knows that it is (`ours`).
    """
    if cluster.state in states.CLUSTER_ENDED | states.CLUSTER_ENDING:
        return
    if cluster.termination_protected and (ours or cluster.tags.get("managed_by") == MANAGED_BY):
        context.effects.set_termination_protection(cluster.id, protected=False)
    context.effects.terminate_cluster(cluster.id)


def ask_unseen(context: Context, cluster_id: str, *, ours: bool) -> None:
    """Ask for the end of a cluster that AWS does not show; a refusal now may be another answer later."""
    try:
        if ours:
            context.effects.set_termination_protection(cluster_id, protected=False)
        context.effects.terminate_cluster(cluster_id)
    except UnansweredError:
        raise
    except (ClusterNotFoundError, AwsError):
        return


class Request:
    """The request for one cluster, made again each turn until EMR accepts it.

    A refusal is no reason to give up: somebody may have set the protection again, permissions take effect
    late, and what is not ended costs money. `refusal` is the last one, None once EMR has accepted.
    """

    def __init__(self, context: Context, *, ours: bool) -> None:
        self._clock = context.clock
        self._report = context.report
        self._ours = ours
        self._asked_at = context.clock.monotonic()
        self.refusal: AwsError | None = None

    def make(self, context: Context, cluster: Cluster) -> None:
        """Ask for the end of the cluster. Raises ThrottledError and UnansweredError, but no refusal."""
        if cluster.state in states.CLUSTER_ENDING:
            self.refusal = None
            self._ask_stuck(context, cluster.id)
            return
        try:
            ask(context, cluster, ours=self._ours)
        except UnansweredError:
            raise
        except AwsError as error:
            if self.refusal is None or self.refusal.message != error.message:
                self._report(f"cluster {cluster.id} is not ended yet: {error.message}; asking again")
            self.refusal = error
        else:
            self.refusal, self._asked_at = None, self._clock.monotonic()

    def _ask_stuck(self, context: Context, cluster_id: str) -> None:
        if self._clock.monotonic() - self._asked_at >= STUCK_SECONDS:
            self._asked_at = self._clock.monotonic()
            with suppress(AwsError):
                context.effects.terminate_cluster(cluster_id)
