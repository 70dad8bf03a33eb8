"""What a deferred step waits with in Airflow's triggerer. It only decides when the task looks again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kiln_airflow import active_steps
from kiln_airflow.active_steps import Step
from kiln_airflow.versions import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# How often nothing can be known before the task's own command has to find out.
_MOST_UNKNOWN = 5


class StepTrigger(BaseTrigger):
    """Fires when a step is not active any more, or after `seconds`; the task's command then judges it."""

    def __init__(
        self, *, script: str, environment: str, step: list[str], interval: float, seconds: float
    ) -> None:
        super().__init__()
        self.script = script
        self.environment = environment
        self.step = step
        self.interval = interval
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class and arguments: the triggerer makes it anew."""
        names = ("script", "environment", "step", "interval", "seconds")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[Any]:
        """Yield one event."""
        looks, wanted = active_steps.of(self.script, self.environment), Step(*self.step)
        clock = asyncio.get_running_loop().time
        ends_at, unknown = clock() + self.seconds, 0
        while clock() < ends_at and unknown < _MOST_UNKNOWN:
            await asyncio.sleep(self.interval)
            active = await looks.active(self.interval)
            unknown = unknown + 1 if active is None else 0
            if active is not None and wanted not in active:
                break
        yield TriggerEvent(self.step)
