"""How far back EMR's lists look."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Group, Instance, Step

# ListInstances, botocore's model: active instances and those ended in the last 30 days, 2,000 at most.
ENDED_INSTANCES_FOR = timedelta(days=30)
MOST_INSTANCES = 2000
# Steps that are over (docs/aws_facts.md 1.5): 1,000 from any time, 10,000 from the last seven days.
MOST_STEPS, MOST_RECENT_STEPS = 1000, 10_000
RECENT_STEPS_FOR = timedelta(days=7)


def instances(cluster: Cluster, now: datetime) -> list[tuple[Group, Instance]]:
    """Return the instances that are still shown, group by group; under the cluster's lock."""
    pairs = [(group, instance) for group in cluster.groups for instance in group.instances]
    ended = [(i.status.ended, i.id) for _, i in pairs if i.status.ended is not None]
    room = max(0, MOST_INSTANCES - (len(pairs) - len(ended)))
    shown = {name for when, name in sorted(ended, reverse=True)[:room] if now - when <= ENDED_INSTANCES_FOR}
    return [pair for pair in pairs if pair[1].status.ended is None or pair[1].id in shown]


def steps(cluster: Cluster, now: datetime) -> list[Step]:
    """Return the steps that are still shown, oldest first; under the cluster's lock."""
    ended = [(s.status.ended, s.id) for s in cluster.steps if s.status.ended is not None]
    shown = {
        name
        for number, (when, name) in enumerate(sorted(ended, reverse=True)[:MOST_RECENT_STEPS])
        if number < MOST_STEPS or now - when <= RECENT_STEPS_FOR
    }
    return [step for step in cluster.steps if step.status.ended is None or step.id in shown]
