"""What an account says about the security of its clusters, in one region (docs/aws_facts.md 2.11, 2.12)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

PortRange = tuple[int, int]  # the first and the last port; -1 is what has no ports
SSH: PortRange = (22, 22)


@dataclass(frozen=True)
class PublicAccess:
    """Block public access: rules open to everybody keep clusters from starting, but for permitted ports.

    `created` is None for the default, which is as old as the account.
    """

    is_blocked: bool = True
    permitted: tuple[PortRange, ...] = (SSH,)
    created: datetime | None = None
    created_by: str | None = None  # an ARN

    def permits(self, opened: PortRange) -> bool:
        """Whether every port of a rule is permitted; several ranges may permit it together."""
        first, last = opened
        for low, high in sorted(self.permitted):
            if low <= first <= high:
                first = high + 1
        return not self.is_blocked or first > last


@dataclass(frozen=True)
class SecurityConfiguration:
    """A security configuration: `text` is its JSON as it was given, `document` what that says."""

    name: str
    text: str
    document: dict[str, Any]
    created: datetime


@dataclass
class SecuritySettings:
    """The settings of one account and region. `lock` is to be held for changes of `configurations`."""

    account_created: datetime
    public_access: PublicAccess = field(default_factory=PublicAccess)
    configurations: dict[str, SecurityConfiguration] = field(default_factory=dict)  # by name
    lock: threading.Lock = field(default_factory=threading.Lock)


def metadata_options(document: dict[str, Any]) -> dict[str, Any]:
    """Return MetadataOptions of RunInstances, as a security configuration asks for them; else nothing.

    The hop limit is 1 unless it says another (docs/aws_facts.md 2.12).
    """
    asked = document.get("InstanceMetadataServiceConfiguration")
    if not asked:
        return {}
    is_second = asked["MinimumInstanceMetadataServiceVersion"] == 2  # noqa: PLR2004  # IMDSv2
    return {
        "HttpTokens": "required" if is_second else "optional",
        "HttpPutResponseHopLimit": asked.get("HttpPutResponseHopLimit", 1),
    }


def written(ranges: Iterable[PortRange]) -> str:
    """Write port ranges as EMR does; how it writes more than one port is a guess."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
