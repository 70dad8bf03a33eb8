"""How many instances EC2 still has: a table by instance type, market and zone, whose rows are faults."""

from __future__ import annotations

import threading
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from emrbox.config import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping


class Pool(NamedTuple):
    """Instances of one type in one market and zone. A launch without a zone goes to the first."""

    instance_type: str
    market: str
    zone: str | None

    def fits(self, patterns: Mapping[str, Any]) -> bool:
        """Whether a row with these patterns is about the pool."""
        values = {**self._asdict(), "zone": self.zone or f"{REGION}a"}
        return all(fnmatchcase(value, patterns[name]) for name, value in values.items())


class Pools:
    """What is left in each pool that a row is about, of `available` instances."""

    def __init__(self, available: int, **_: Any) -> None:
        self._available = available
        self._lock = threading.Lock()
        self._taken: Counter[Pool] = Counter()

    def left(self, pool: Pool) -> int:
        """Return how many instances can still be launched."""
        with self._lock:
            return max(0, self._available - self._taken[pool])

    def take(self, pool: Pool, count: int) -> None:
        """Take note of a launch."""
        with self._lock:
            self._taken[pool] += count
