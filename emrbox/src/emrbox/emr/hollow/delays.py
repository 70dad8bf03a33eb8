"""How long starting and ending takes beyond what the machine itself needs. Nothing, unless it is set.

The profile `real` is docs/aws_facts.md 8. AWS publishes no distributions, only such ranges; that most starts
are near the lower third of theirs is a guess.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Any

MOST_SECONDS, MOST_SCALE = 86400.0, 1000.0
PHASES = ("starting", "bootstrapping", "terminating", "resizing")
# Seconds at least and at most; a start-up is between them, most often near the lower third.
PROFILES: dict[str, dict[str, tuple[float, float]]] = {
    "none": {},
    "real": {
        # Together they are the 4 to 7 minutes from creation to ready; the second range has been seen.
        "starting": (150.0, 300.0),
        "bootstrapping": (90.0, 120.0),
        "terminating": (60.0, 300.0),
        "resizing": (300.0, 360.0),
    },
}


@dataclass(frozen=True)
class _Setting:
    profile: str
    ranges: dict[str, tuple[float, float]]
    seed: int
    scale: float


class Delays:
    """The box's setting. With one seed, clusters that start in one order get the same delays again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set(_Setting("none", {}, 0, 1.0))

    def pick(self, phase: str) -> float:
        """Return the seconds that a phase takes this time."""
        with self._lock:
            least, most = self._setting.ranges.get(phase, (0.0, 0.0))
            likely = least + (most - least) / 3
            return self._random.triangular(least, most, likely) * self._setting.scale if most > 0 else 0.0

    def document(self) -> dict[str, Any]:
        """Return what is set, as `change` takes it."""
        setting = self._setting
        ranges = {phase: list(pair) for phase, pair in setting.ranges.items()}
        return {"profile": setting.profile, "phases": ranges, "seed": setting.seed, "scale": setting.scale}

    def change(self, document: dict[str, Any]) -> None:
        """Set a `profile`, or `phases` ({phase: [least, most]}), with `seed` and `scale`. May ValueError."""
        if unknown := set(document) - {"profile", "phases", "seed", "scale"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known are profile, phases, seed, scale")
        profile = document.get("profile", "own" if "phases" in document else "none")
        if profile not in {*PROFILES, "own"}:
            raise ValueError(f"profile: one of {', '.join(PROFILES)}")
        ranges = dict(PROFILES.get(profile, {}))
        for phase, pair in document.get("phases", {}).items():
            least, most = (float(value) for value in pair)
            if phase not in PHASES or not 0 <= least <= most <= MOST_SECONDS:
                raise ValueError(f"phases: {', '.join(PHASES)} with [least, most] seconds, not {phase}")
            ranges[phase] = (least, most)
        scale = float(document.get("scale", 1.0))
        if not 0 <= scale <= MOST_SCALE:
            raise ValueError(f"scale: 0 to {MOST_SCALE:.0f}")
        with self._lock:
            self._set(_Setting(profile, ranges, int(document.get("seed", 0)), scale))

    def _set(self, setting: _Setting) -> None:
        self._setting = setting
        self._random = random.Random(setting.seed)  # noqa: S311  # delays are no secrets
