"""EMR's events for the status page: message and deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emrbox.aws.event_bus import EventBus


def last_events(bus: EventBus, most: int) -> list[dict[str, Any]]:
    """Return the last events, newest first."""
    return [
        {
            "time": record.event["time"],
            "kind": record.event["detail-type"],
            "severity": record.event["detail"].get("severity"),
            "cluster": record.event["detail"].get("clusterId"),
            "message": record.event["detail"].get("message", ""),
            "deliveries": list(record.deliveries),
        }
        for record in reversed(bus.records()[-most:])
    ]
