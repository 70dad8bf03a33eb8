"""A place that has the logs of a step, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.diagnosis.logs import Log


class Place:
    """The logs of one step, of its driver and of its executors; it remembers what it was asked for."""

    def __init__(
        self, step: Sequence[Log], driver: Sequence[Log] = (), executors: Sequence[Log] = ()
    ) -> None:
        self._step, self._driver, self._executors = list(step), list(driver), list(executors)
        self.application = ""
        self.containers: tuple[str, ...] | None = None

    def step(self, step_id: str) -> list[Log]:
        assert step_id == "s-1"
        return self._step

    def driver(self, application: str) -> list[Log]:
        self.application = application
        return self._driver

    def executors(self, application: str, containers: Sequence[str]) -> list[Log]:
        assert application == self.application
        self.containers = tuple(containers)
        return self._executors
