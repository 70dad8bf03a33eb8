"""EMR's states as tables, and the verdicts that follow from them.

Source: docs/aws_facts.md 1.1-1.3. A state that is not in these tables is neither live nor ended: callers keep
polling until their deadline.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from kiln.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

CLUSTER_STARTING = frozenset({"STARTING", "BOOTSTRAPPING"})
CLUSTER_UP = frozenset({"RUNNING", "WAITING"})
CLUSTER_ENDING = frozenset({"TERMINATING"})
CLUSTER_ENDED = frozenset({"TERMINATED", "TERMINATED_WITH_ERRORS"})
CLUSTER_USABLE = CLUSTER_STARTING | CLUSTER_UP
# What still costs money. TERMINATING belongs to it: nothing is ended before DescribeCluster says so.
CLUSTER_LIVE = CLUSTER_USABLE | CLUSTER_ENDING

# The reason code of a cluster that somebody ended.
USER_REQUEST = "USER_REQUEST"

STEP_ENDED = frozenset({"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"})


class Verdict(Enum):
    """What became of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RUNNING = "running"
    NO_STEP = "no_step"


def verdict_of_steps(states: Iterable[str]) -> Verdict:
    """Return the verdict from ALL step states, never from the cluster's state.

    A cluster that ended TERMINATED may hold failed steps (reason STEP_FAILURE).
    A run without any step has built nothing: that is no success, even when nothing failed.
    """
    seen = set(states)
    if not seen:
        return Verdict.NO_STEP
    if seen & {"FAILED", "INTERRUPTED"}:
        return Verdict.FAILED
    if "CANCELLED" in seen:
        return Verdict.CANCELLED
    return Verdict.SUCCEEDED if seen <= {"COMPLETED"} else Verdict.RUNNING


# Exit code of a launch that failed, by the cluster's StateChangeReason code.
LAUNCH_FAILURES: dict[str, ExitCode] = {
    "BOOTSTRAP_FAILURE": ExitCode.LAUNCH,
    "VALIDATION_ERROR": ExitCode.LAUNCH,
    "INTERNAL_ERROR": ExitCode.LAUNCH,
    "INSTANCE_FAILURE": ExitCode.CAPACITY,
    "INSTANCE_FLEET_TIMEOUT": ExitCode.CAPACITY,
}
# ErrorDetails codes say more than the reason; AWS's texts may change, so they come last.
_CAPACITY_DETAILS = ("INSUFFICIENT_CAPACITY", "SPOT_PRICE_INCREASE", "SPOT_NO_CAPACITY")
_CAPACITY_TEXTS = ("out of capacity", "insufficient capacity")


def launch_failure(reason_code: str, detail_codes: Iterable[str], message: str) -> ExitCode:
    """Return the exit code for a cluster that ended before it was up."""
    if any(mark in code for code in detail_codes for mark in _CAPACITY_DETAILS):
        return ExitCode.CAPACITY
    if any(text in message.lower() for text in _CAPACITY_TEXTS):
        return ExitCode.CAPACITY
    return LAUNCH_FAILURES.get(reason_code, ExitCode.LAUNCH)
