"""Who works on a run, for `status` and `list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln.ledger import drivers

if TYPE_CHECKING:
    from datetime import datetime

    from kiln.ledger.schema import Run


def listed(run: Run | None, now: datetime) -> list[dict[str, Any]]:
    """Return the commands that work on a run, as JSON shows them; `dead`: no sign of life for minutes.

    `now` is S3's time (Ledger.aws_now).
    """
    return [
        {
            "id": one.id,
            "host": one.host,
            "pid": one.pid,
            "phases": one.phases,
            "whole": one.whole,
            "started_at": one.started_at,
            "heartbeat_at": one.heartbeat_at,
            "heartbeat_age_seconds": round(drivers.heartbeat_age(one, now)),
            "dead": drivers.is_dead(one, now),
            "described": drivers.described(one, now),
        }
        for one in (run.drivers if run else [])
    ]
