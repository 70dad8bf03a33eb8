"""EC2's DescribeSpotPriceHistory: the prices that the fault `spot-price` has set, and since when.

EC2 API Reference, DescribeSpotPriceHistory: a price holds from its time on, and the one that holds at
StartTime is in the answer too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from botocore.utils import parse_to_aware_datetime
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.spot_instances import SpotInstances

from emrbox.config import AVAILABILITY_ZONES, REGION
from emrbox.emr import instance_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from emrbox.faults.book import Fault, FaultBook

KIND = "spot-price"
# In percent of the on-demand price, where no fault sets it. A guess.
USUAL_PERCENT = 40.0
PRODUCT = "Linux/UNIX"


def _now() -> datetime:
    return datetime.now(UTC)


class SpotHistory:
    """The prices of spot instances since the box began."""

    def __init__(self, book: FaultBook, now: Callable[[], datetime] = _now) -> None:
        self._book = book
        self._now = now
        self._changes: list[tuple[datetime, list[Mapping[str, Any]]]] = [(now(), [])]
        book.on_add.append(self._note)
        book.on_remove.append(self._note)

    def install(self) -> None:
        """Make moto's EC2 answer from here."""

        def describe_spot_price_history(response: Any) -> ActionResult:
            return ActionResult({"SpotPriceHistory": self._answer(response)})

        SpotInstances.describe_spot_price_history = describe_spot_price_history

    def entries(
        self,
        types: Iterable[str],
        zones: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Return the prices of these types in these zones, the newest first of each."""
        found = []
        for name in types:
            for zone in zones:
                changes = self._prices(name, zone)
                for number, (since, price) in enumerate(changes):
                    until = changes[number + 1][0] if number + 1 < len(changes) else None
                    is_past = start is not None and until is not None and until <= start
                    if not is_past and (end is None or since <= end):
                        found.append(_entry(name, zone, since, price))
        return sorted(found, key=lambda one: str(one["Timestamp"]), reverse=True)

    def _note(self, fault: Fault) -> None:
        if fault.kind.name == KIND:
            self._changes.append((self._now(), [one.parameters for one in self._book.of(KIND)]))

    def _prices(self, name: str, zone: str) -> list[tuple[datetime, float]]:
        """Return since when which price holds; a price that stays is there once."""
        found: list[tuple[datetime, float]] = []
        for since, rows in self._changes:
            set_here = [row["percent"] for row in rows if _fits(row, name, zone)]
            percent = max(set_here, default=USUAL_PERCENT)  # a bid has to reach every row that fits
            price = instance_types.by_name()[name].usd_per_hour * percent / 100
            if not found or found[-1][1] != price:
                found.append((since, price))
        return found

    def _answer(self, response: Any) -> list[dict[str, Any]]:
        if response.region != REGION:
            return []
        filters = response._filters_from_querystring()  # noqa: SLF001  # moto's own way
        asked = response._get_param("InstanceTypes", []) or filters.get("instance-type")  # noqa: SLF001
        zone = response._get_param("AvailabilityZone")  # noqa: SLF001
        zones = [zone] if zone else filters.get("availability-zone", AVAILABILITY_ZONES)
        products = response._get_param("ProductDescriptions", []) or filters.get("product-description")  # noqa: SLF001
        if products and not any(fnmatchcase(PRODUCT, one) for one in products):
            return []
        start, end = (_time(response._get_param(name)) for name in ("StartTime", "EndTime"))  # noqa: SLF001
        types = [name for name in instance_types.by_name() if not asked or name in asked]
        return self.entries(types, [one for one in zones if one in AVAILABILITY_ZONES], start, end)


def _fits(row: Mapping[str, Any], name: str, zone: str) -> bool:
    return fnmatchcase(name, row["instance_type"]) and fnmatchcase(zone, row["zone"])


def _entry(name: str, zone: str, since: datetime, price: float) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "ProductDescription": PRODUCT,
        "SpotPrice": f"{price:.6f}",
        "AvailabilityZone": zone,
        "Timestamp": since.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }


def _time(text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        moment: datetime = parse_to_aware_datetime(text)
    except ValueError:
        raise EC2ClientError("InvalidParameterValue", f"{text} is not a time.") from None
    return moment
