"""How long the phases of a pipeline took last time on this machine: for the progress display only."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kiln.runs.result import Result


class ExpectedTimes:
    """The times of one pipeline in one environment, in seconds by phase, kept in .kiln/expected.json."""

    def __init__(self, root: Path, environment: str, pipeline: str) -> None:
        self._file = root / ".kiln" / "expected.json"
        self._key = f"{environment}/{pipeline}"
        found = self._read().get(self._key)
        known = found if isinstance(found, dict) else {}
        self.seconds: Mapping[str, float] = {
            name: seconds for name, seconds in known.items() if isinstance(seconds, int | float)
        }

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def learn(self, result: Result) -> None:
        """Keep the times of phases that did their work, and not of those that found it done."""
        took = {
            phase.name: phase.seconds for phase in result.phases if phase.status == "ok" and phase.changed
        }
        if took:
            known = self._read() | {self._key: dict(self.seconds) | took}
            with suppress(OSError):
                self._file.write_text(json.dumps(known, indent=1))
