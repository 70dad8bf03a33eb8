"""EMR's states as tables, and the names of the verdicts (kiln.emr.verdict_table decides which one it is).

Source: docs/aws_facts.md 1.1-1.3. A state that is not in these tables is neither live nor ended: callers keep
polling until their deadline.
"""

from __future__ import annotations

from enum import Enum

CLUSTER_STARTING = frozenset({"STARTING", "BOOTSTRAPPING"})
CLUSTER_UP = frozenset({"RUNNING", "WAITING"})
CLUSTER_ENDING = frozenset({"TERMINATING"})
CLUSTER_ENDED = frozenset({"TERMINATED", "TERMINATED_WITH_ERRORS"})
CLUSTER_USABLE = CLUSTER_STARTING | CLUSTER_UP
# What still costs money. TERMINATING belongs to it: nothing is ended before DescribeCluster says so.
CLUSTER_LIVE = CLUSTER_USABLE | CLUSTER_ENDING

# The reason code of a cluster that somebody ended.
USER_REQUEST = "USER_REQUEST"

# The reason codes of a cluster that has run its steps, and ended by itself.
ENDED_BY_STEPS = frozenset({"ALL_STEPS_COMPLETED", "STEP_FAILURE"})

# Of nodes (InstanceState in botocore's service model of EMR).
NODE_BOOTSTRAPPING = "BOOTSTRAPPING"
NODE_STARTING = frozenset({"AWAITING_FULFILLMENT", "PROVISIONING", NODE_BOOTSTRAPPING})
NODE_RUNNING = "RUNNING"

STEP_ENDED = frozenset({"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"})


class Verdict(Enum):
    """What became of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RUNNING = "running"
    NO_STEP = "no_step"
    # A combination of states that no row of kiln.emr.verdict_table has: never a success.
    UNKNOWN = "unknown"
