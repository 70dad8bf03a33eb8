"""Routes: every way in which a kind of mail goes from one domain through one network.

A message is a draw from a route. All that the receiving side can see of the sender (addresses, envelope,
SPF and DKIM results) follows from the route, so that messages can be made a column at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from planted.arrays import Bools, Floats, Ints

SPF_RESULTS = ("pass", "fail", "softfail", "neutral", "none", "temperror")
DKIM_RESULTS = ("pass", "fail", "none")

# Rows: how often each of SPF_RESULTS comes out.
SPF_PROFILES: dict[str, tuple[float, ...]] = {
    "listed": (0.965, 0.010, 0.005, 0.000, 0.005, 0.015),
    "fail": (0.000, 0.980, 0.000, 0.000, 0.000, 0.020),
    "softfail": (0.000, 0.000, 0.985, 0.000, 0.000, 0.015),
    "neutral": (0.000, 0.000, 0.000, 0.985, 0.000, 0.015),
    "none": (0.000, 0.000, 0.000, 0.000, 0.985, 0.015),
    "careless": (0.700, 0.020, 0.080, 0.020, 0.170, 0.010),
}
# Rows: how often each of DKIM_RESULTS comes out.
DKIM_PROFILES: dict[str, tuple[float, ...]] = {
    "signed": (0.965, 0.020, 0.015),
    "partly": (0.550, 0.020, 0.430),
    "unsigned": (0.000, 0.005, 0.995),
    "forged": (0.000, 0.120, 0.880),
}
SPF_NAMES = tuple(SPF_PROFILES)
DKIM_NAMES = tuple(DKIM_PROFILES)

BOTNET = -1  # the `base` of a route that sends from other people's machines
ANY_RECIPIENT = 0


@dataclass(frozen=True)
class Route:
    """One way of sending. Domains are places in `World.domains.names`; -1 stands for none.

    `link_domain` is where honest mail's links lead when not to the sender's own domain.
    """

    kind: str
    from_domain: int
    envelope_domain: int
    dkim_domain: int
    spf: str
    dkim: str
    base: int
    size: int
    weight: float
    helo_domain: int = -1
    reply_to_domain: int = -1
    link_domain: int = -1
    addresses: int = 4
    recipients: int = ANY_RECIPIENT
    unknown_recipient_rate: float = 0.015
    office_hours: bool = True
    first_campaign: int = 0
    campaigns: int = 0
    campaign_share: float = 0.0
    attachment_rate: float = 0.12
    forged: bool = False

    def with_campaigns(
        self, first: int, count: int, unknown_recipient_rate: float, recipients: int
    ) -> "Route":
        """Return this route with its sender's campaigns and mailing list."""
        return replace(
            self,
            first_campaign=first,
            campaigns=count,
            unknown_recipient_rate=unknown_recipient_rate,
            recipients=recipients,
        )


@dataclass(frozen=True)
class RouteTable:
    """The same as columns, one entry per route."""

    kind: tuple[str, ...]
    from_domain: Ints
    envelope_domain: Ints
    dkim_domain: Ints
    spf: Ints
    dkim: Ints
    base: Ints
    size: Ints
    weight: Floats
    helo_domain: Ints
    reply_to_domain: Ints
    link_domain: Ints
    addresses: Ints
    recipients: Ints
    unknown_recipient_rate: Floats
    office_hours: Bools
    first_campaign: Ints
    campaigns: Ints
    campaign_share: Floats
    attachment_rate: Floats
    forged: Bools

    @classmethod
    def of(cls, routes: Sequence[Route]) -> Self:
        """Turn routes into columns."""
        columns: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(route, field.name) for route in routes]
            if field.name == "kind":
                columns["kind"] = tuple(values)
            elif field.name == "spf":
                columns["spf"] = np.array([SPF_NAMES.index(v) for v in values], dtype=np.int64)
            elif field.name == "dkim":
                columns["dkim"] = np.array([DKIM_NAMES.index(v) for v in values], dtype=np.int64)
            else:
                columns[field.name] = np.array(values)
        return cls(**columns)
