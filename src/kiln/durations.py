"""Durations as people type them: `90s`, `30m`, `2h`, `1d`, or seconds without a unit."""

from __future__ import annotations

import re

# For how long a cluster can be held: what EMR accepts for AutoTerminationPolicy (docs/aws_facts.md 1.6).
SHORTEST_HOLD, LONGEST_HOLD = 60, 604_800
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")


def seconds_of(text: str) -> int:
    """Return the seconds of a duration. Raises ValueError for what is none."""
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError(text)
    return int(parts[1]) * _UNITS[parts[2]]
