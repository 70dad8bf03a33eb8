"""Since when a cluster has had nothing to do, by the times that EMR shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import states

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kiln.aws.effects import Cluster, Step

_WAITING = "WAITING"


def since(cluster: Cluster, steps: Sequence[Step]) -> datetime | None:
    """Return when a waiting cluster ended its last step, or was ready; None for one that has work or starts.

    EMR itself also counts YARN applications and open user interfaces as work (docs/aws_facts.md 1.6), which
    its API does not show.
    """
    if cluster.state != _WAITING or any(step.state not in states.STEP_ENDED for step in steps):
        return None
    # A step that ended before it began, as a cancelled one, has no end time.
    times = [cluster.created_at, cluster.ready_at, *(step.ended_at for step in steps)]
    return max(time for time in times if time is not None)
