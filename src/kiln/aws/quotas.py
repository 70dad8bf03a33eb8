"""EMR's published token buckets, and the part of them that Kiln on one host uses: a table.

Source: docs/aws_facts.md 4.1 (General Reference, EMR endpoints and quotas), by account and region. Consoles,
other hosts and EMR's own clients share a bucket, so half of it is left to them. What ends something may use
all of it: a cluster that nobody could ask to end costs money.
"""

from __future__ import annotations

from typing import NamedTuple

_HALF, _WHOLE = 0.5, 1.0


class Bucket(NamedTuple):
    """A token bucket of EMR: its burst, and how many tokens come back a second."""

    burst: float
    refill: float
    share: float = _HALF

    @property
    def seconds(self) -> float:
        """Return after how many seconds a used token is back, in Kiln's share."""
        return 1 / (self.refill * self.share)

    @property
    def most(self) -> float:
        """Return how many calls Kiln may make at once."""
        return max(1.0, self.burst * self.share)


# All calls of EMR together.
EVERY = "*"

BUCKETS: dict[str, Bucket] = {
    EVERY: Bucket(200, 50),
    "RunJobFlow": Bucket(10, 0.5),
    "DescribeCluster": Bucket(10, 1.0),
    "ListClusters": Bucket(20, 0.5),
    "ListInstances": Bucket(10, 0.5),
    "ListInstanceGroups": Bucket(10, 1.0),
    "AddJobFlowSteps": Bucket(10, 0.5),
    "ListSteps": Bucket(10, 0.5),
    "CancelSteps": Bucket(10, 0.5, _WHOLE),
    "TerminateJobFlows": Bucket(10, 0.5, _WHOLE),
    "SetTerminationProtection": Bucket(5, 0.2, _WHOLE),
    "AddTags": Bucket(5, 0.5),
    "PutAutoTerminationPolicy": Bucket(5, 0.5),
}

# What a method of kiln.aws.effects calls; one that is not here does not call EMR. For clusters of instance
# fleets, which others have launched, it is ListInstanceFleets in place of ListInstanceGroups.
CALLS: dict[str, tuple[str, ...]] = {
    "run_job_flow": ("RunJobFlow",),
    "describe_cluster": ("DescribeCluster",),
    "list_clusters": ("ListClusters",),
    "list_instances": ("ListInstanceGroups", "ListInstances"),
    "list_instance_groups": ("ListInstanceGroups",),
    "add_steps": ("AddJobFlowSteps",),
    "list_steps": ("ListSteps",),
    "cancel_steps": ("CancelSteps",),
    "terminate_cluster": ("TerminateJobFlows",),
    "set_termination_protection": ("SetTerminationProtection",),
    "add_tags": ("AddTags",),
    "set_idle_timeout": ("PutAutoTerminationPolicy",),
}

# How many clusters, instances or steps a page of EMR's lists has (docs/aws_facts.md 1.5, 1.8).
PAGE = 50
