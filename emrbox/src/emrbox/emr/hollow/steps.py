"""A step of a hollow cluster: nothing runs, and the clock ends it by its script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.emr.life.layer import StepOutcome
from emrbox.emr.life.model import FailureDetails

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.emr.hollow.scripts import Script
    from emrbox.emr.life.clock import MovableClock
    from emrbox.emr.life.model import Cluster, Step

INTERRUPTED_CODE = 143  # as a shell reports SIGTERM
KILLED_CODE = 137


class ScriptedStep:
    """A running step. The first of its script's end and a signal counts; `report` ignores the others."""

    def __init__(
        self, cluster: Cluster, step: Step, script: Script, report: Callable[[StepOutcome], None]
    ) -> None:
        self._cluster = cluster
        self._step = step
        self._script = script
        self._report = report

    def start(self, clock: MovableClock) -> None:
        """Let it end at its time."""
        clock.call_later(self._script.seconds, lambda: self._report(self._outcome()))

    def interrupt(self) -> None:
        """End as by SIGTERM."""
        self._end_by_signal(INTERRUPTED_CODE)

    def kill(self) -> None:
        """End as by SIGKILL."""
        self._end_by_signal(KILLED_CODE)

    def _end_by_signal(self, code: int) -> None:
        self._report(StepOutcome(code, FailureDetails("Unknown Error.", None, None)))

    def _outcome(self) -> StepOutcome:
        script, step = self._script, self._step
        applications = tuple(
            f"application_{int(step.status.created.timestamp() * 1000)}_{number:04}"
            for number in range(1, script.applications + 1)
        )
        if script.exit_code == 0:
            return StepOutcome(0, None, applications)
        uri = self._cluster.log_uri
        log = uri and f"{uri.rstrip('/')}/{self._cluster.id}/steps/{step.id}/stderr.gz"
        failure = FailureDetails("Unknown Error.", script.message, log)
        return StepOutcome(script.exit_code, failure, applications)
