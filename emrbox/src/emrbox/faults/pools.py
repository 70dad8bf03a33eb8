"""What EC2 has and what it costs: tables by instance type, market and zone, whose rows are faults."""

from __future__ import annotations

import math
import threading
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from emrbox.config import REGION
from emrbox.emr import instance_types
from emrbox.emr.life.model import SPOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrbox.emr.life.model import TypeConfig


class Pool(NamedTuple):
    """Instances of one type in one market and zone. A launch without a zone goes to the first."""

    instance_type: str
    market: str
    zone: str | None

    def fits(self, patterns: Mapping[str, Any]) -> bool:
        """Whether a row with these patterns is about the pool."""
        values = {**self._asdict(), "zone": self.zone or f"{REGION}a"}
        return all(fnmatchcase(value, patterns.get(name, "*")) for name, value in values.items())


class Pools:
    """What is left in each pool that a row is about, of `available` instances."""

    def __init__(self, available: int, **_: Any) -> None:
        self._available = available
        self._lock = threading.Lock()
        self._taken: Counter[Pool] = Counter()

    def left(self, pool: Pool, _asked: TypeConfig) -> float:
        """Return how many instances can still be launched."""
        with self._lock:
            return max(0, self._available - self._taken[pool])

    def take(self, pool: Pool, count: int) -> None:
        """Take note of a launch."""
        with self._lock:
            self._taken[pool] += count


class SpotPrices:
    """The price of spot instances that a row is about, in percent of the on-demand price."""

    def __init__(self, percent: float, **_: Any) -> None:
        self._percent = percent

    def left(self, pool: Pool, asked: TypeConfig) -> float:
        """Return 0 if the price is above the bid, which is the on-demand price by default."""
        on_demand = instance_types.by_name()[asked.name].usd_per_hour
        bid = instance_types.bid(asked.name, asked.bid_price, asked.bid_percent)
        is_high = on_demand * self._percent / 100 > (on_demand if bid is None else float(bid))
        return 0 if pool.market == SPOT and is_high else math.inf

    def take(self, pool: Pool, count: int) -> None:
        """Do nothing: the price stays."""
