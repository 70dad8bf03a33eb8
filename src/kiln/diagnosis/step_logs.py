"""The logs of one step in one place, in the order in which they are searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.diagnosis import logs, output_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.diagnosis.logs import Log, Source


class StepLogs:
    """What one place has of a step: its files, those of its driver and, when asked for, of its executors."""

    def __init__(self, place: Source, step_id: str) -> None:
        self._place = place
        self.step = _newest_first(place.step(step_id))
        self._application = logs.application_of(self.step)
        self.containers = _newest_first(place.driver(self._application) if self._application else [])
        self._executors: list[Log] | None = None
        # In client mode the driver writes to the step's files; the first container only asks for executors.
        self.in_client_mode = any(logs.CLIENT_MODE in log.text for log in self.step)

    @property
    def driver(self) -> list[Log]:
        """Return the logs that the job's own process has written."""
        streams = [log for log in self.step if stream_of(log) in {"stdout", "stderr"}]
        return self.containers if self.containers and not self.in_client_mode else streams

    @property
    def rest(self) -> list[Log]:
        """Return what else was read, without the executors' logs."""
        own = {log.address for log in self.driver}
        return [log for log in (*self.step, *self.containers) if log.address not in own]

    @property
    def executors(self) -> list[Log]:
        """Return logs of executors, first of those that the driver reports as lost."""
        if self._executors is None:
            lost = logs.ended_containers(self.containers or self.step)
            found = self._place.executors(self._application, lost) if self._application else []
            self._executors = found
        return self._executors

    @property
    def code(self) -> int | None:
        """Return what the job's own process left with, or the step's process, where a log has it."""
        left = [
            code
            for log in (*self.containers, *self.step)
            if (code := output_text.user_exit(log.text)) is not None
        ]
        ended = [code for log in self.step if (code := output_text.step_exit(log.text)) is not None]
        if left:
            return left[-1]
        return ended[-1] if ended and (self.in_client_mode or not self.containers) else None

    @property
    def notes(self) -> list[str]:
        """Return what is not whole about the logs that were read."""
        read = (*self.containers, *self.step, *(self._executors or ()))
        return [f"{log.address}: {log.note}" for log in read if log.note]


def _newest_first(found: Sequence[Log]) -> list[Log]:
    """Return logs as they are searched: the last attempt first, in it what the job wrote, newest file first.

    A rotated file has a time in its name, the newest has none (docs/aws_facts.md 3.2).
    """
    # Spark logs to stderr, and its Python jobs' errors are on stdout; a script writes them to stderr.
    first = (
        ("stdout", "stderr")
        if any(output_text.has_records(log.text) for log in found)
        else ("stderr", "stdout")
    )
    order = {name: number for number, name in enumerate((*first, "controller", "syslog"))}
    ordered = sorted(found, key=lambda log: log.address, reverse=True)
    ordered.sort(key=lambda log: order.get(stream_of(log), len(order)))
    ordered.sort(key=lambda log: log.address.rpartition("/")[0].rpartition("/")[2], reverse=True)
    return ordered


def stream_of(log: Log) -> str:
    """Return which of a process's files a log is: stdout, stderr, controller, syslog."""
    return log.address.rpartition("/")[2].partition(".")[0]
