"""The real effects on CloudWatch Logs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from kiln.aws.clients import Clients, allowing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws import effects


class BotoLogs(Clients):
    """Log streams, and what is written to them."""

    @cached_property
    def _logs(self) -> Any:
        return self.client("logs")

    def create_log_stream(self, group: str, stream: str) -> None:
        """Make a log stream in a log group."""
        with allowing("ResourceAlreadyExistsException"):
            self.call(self._logs, "create_log_stream", logGroupName=group, logStreamName=stream)

    def put_log_events(self, group: str, stream: str, events: Sequence[effects.LogEvent]) -> None:
        """Write to a log stream."""
        self.call(
            self._logs,
            "put_log_events",
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": one.milliseconds, "message": one.message} for one in events],
        )
