"""What YARN has to do on a cluster, as EMR's scaling sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Load:
    """The ResourceManager's metrics of one moment. Memory is in MB, HDFS's use in percent.

    `nodes` are the EC2 ids of the nodes that take containers, `idle` of those of them on which none runs.
    """

    apps_running: int = 0
    apps_pending: int = 0
    containers_allocated: int = 0
    containers_pending: int = 0
    total_mb: int = 0
    allocated_mb: int = 0
    pending_mb: int = 0
    nodes: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()
    hdfs_used_percent: float = 0.0

    @property
    def available_mb(self) -> int:
        """The memory that YARN can still give."""
        return max(0, self.total_mb - self.allocated_mb)


@dataclass(frozen=True)
class Metric:
    """One of EMR's metrics in CloudWatch, as far as the load determines it."""

    unit: str
    value: Callable[[Load], float]


def _pending_ratio(load: Load) -> float:
    return load.containers_pending / (load.containers_allocated or 1)


def _memory_available_percentage(load: Load) -> float:
    return 100.0 * load.available_mb / load.total_mb if load.total_mb else 0.0


# Names, units and meanings: Management Guide, "Metrics reported by Amazon EMR in CloudWatch".
METRICS: Mapping[str, Metric] = {
    "AppsPending": Metric("COUNT", lambda load: load.apps_pending),
    "AppsRunning": Metric("COUNT", lambda load: load.apps_running),
    "ContainerAllocated": Metric("COUNT", lambda load: load.containers_allocated),
    "ContainerPending": Metric("COUNT", lambda load: load.containers_pending),
    "ContainerPendingRatio": Metric("COUNT", _pending_ratio),
    "HDFSUtilization": Metric("PERCENT", lambda load: load.hdfs_used_percent),
    "IsIdle": Metric("NONE", lambda load: float(load.apps_running + load.apps_pending == 0)),
    "MemoryAllocatedMB": Metric("COUNT", lambda load: load.allocated_mb),
    "MemoryAvailableMB": Metric("COUNT", lambda load: load.available_mb),
    "MemoryTotalMB": Metric("COUNT", lambda load: load.total_mb),
    "MRActiveNodes": Metric("COUNT", lambda load: len(load.nodes)),
    "YARNMemoryAvailablePercentage": Metric("PERCENT", _memory_available_percentage),
}
