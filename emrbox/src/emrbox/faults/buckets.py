"""EMR's published request quotas, one token bucket an operation and one for all (docs/aws_facts.md 4.1)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Operation: burst, tokens a second. General Reference, "Amazon EMR endpoints and quotas", 2026.
PUBLISHED: dict[str, tuple[float, float]] = {
    "AddInstanceFleet": (5, 0.5),
    "AddInstanceGroups": (5, 0.2),
    "AddJobFlowSteps": (10, 0.5),
    "AddTags": (5, 0.5),
    "CancelSteps": (10, 0.5),
    "CreateSecurityConfiguration": (5, 0.5),
    "DeleteSecurityConfiguration": (5, 0.5),
    "DescribeCluster": (10, 1.0),
    "DescribeJobFlows": (20, 0.2),
    "DescribeSecurityConfiguration": (5, 0.5),
    "DescribeStep": (10, 0.5),
    "GetAutoTerminationPolicy": (5, 0.5),
    "GetManagedScalingPolicy": (5, 0.5),
    "ListBootstrapActions": (10, 1.0),
    "ListClusters": (20, 0.5),
    "ListInstanceFleets": (5, 0.5),
    "ListInstanceGroups": (10, 1.0),
    "ListInstances": (10, 0.5),
    "ListReleaseLabels": (5, 0.5),
    "ListSecurityConfigurations": (5, 0.5),
    "ListSteps": (10, 0.5),
    "ListSupportedInstanceTypes": (5, 0.5),
    "ModifyCluster": (10, 0.5),
    "ModifyInstanceFleet": (5, 0.5),
    "ModifyInstanceGroups": (5, 0.5),
    "PutAutoTerminationPolicy": (5, 0.5),
    "PutManagedScalingPolicy": (5, 0.5),
    "RemoveAutoTerminationPolicy": (5, 0.5),
    "RemoveManagedScalingPolicy": (5, 0.5),
    "RemoveTags": (5, 0.5),
    "RunJobFlow": (10, 0.5),
    "SetKeepJobFlowAliveWhenNoSteps": (5, 0.5),
    "SetTerminationProtection": (5, 0.2),
    "SetVisibleToAllUsers": (5, 0.2),
    "TerminateJobFlows": (10, 0.5),
}


class Buckets:
    """The buckets of one account, full at first. `now` is monotonic time, seconds."""

    def __init__(
        self, *, burst: float, refill: float, scale: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._all = (burst, refill)
        self._scale = scale
        self._now = now
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}  # tokens, at

    def take(self, operation: str) -> bool:
        """Take a token from the operation's bucket and from the one of all; False if one is empty."""
        with self._lock:
            now = self._now()
            names = [name for name in (operation, "*") if name == "*" or name in PUBLISHED]
            levels = {name: self._level(name, now) for name in names}
            if any(level < 1 for level in levels.values()):
                return False
            for name, level in levels.items():
                self._levels[name] = (level - 1, now)
            return True

    def _level(self, name: str, now: float) -> float:
        burst, refill = self._all if name == "*" else PUBLISHED[name]
        tokens, at = self._levels.get(name, (burst * self._scale, now))
        return min(burst * self._scale, tokens + (now - at) * refill * self._scale)
