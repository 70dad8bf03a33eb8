"""Lines on their way to a stream of CloudWatch Logs: in batches that PutLogEvents takes, none of them twice.

Limits of a batch: Amazon CloudWatch Logs API Reference, PutLogEvents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.aws.effects import LogEvent
from kiln.errors import InterruptedRunError, KilnError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context

MOST_EVENTS = 10_000
# The messages in UTF-8, and 26 bytes for each event.
MOST_BYTES, EVENT_BYTES = 1_048_576, 26
# At most 240,000 bytes in UTF-8: an event had 256 KB at most before it had 1 MB.
_MESSAGE_CHARACTERS = 60_000
# A stream takes many calls a second, an account in a region a few thousand.
_SECONDS = 1.0


class LogStream:
    """A log stream that lines are sent to. `tell` gets the first problem; no problem is raised.

    A batch whose answer was lost may have arrived, and is not sent again. Nothing is sent after a refusal.
    """

    def __init__(self, context: Context, group: str, stream: str, tell: Callable[[str], object]) -> None:
        self._context, self._group, self._stream, self._tell = context, group, stream, tell
        self._events: list[LogEvent] = []
        self._bytes = 0
        self._sent_at = float("-inf")
        self._newest = 0
        self._is_made = self._is_refused = self._has_told = False

    def add(self, line: str) -> None:
        """Take a line, which is not empty. Its time is now: not all programs write times."""
        # The events of a stream are in the order of their times, also when the clock is set back.
        self._newest = max(self._newest, int(self._context.clock.now().timestamp() * 1000))
        for start in range(0, len(line), _MESSAGE_CHARACTERS):
            self._add(LogEvent(self._newest, line[start : start + _MESSAGE_CHARACTERS]))

    def _add(self, event: LogEvent) -> None:
        size = len(event.message.encode()) + EVENT_BYTES
        if len(self._events) == MOST_EVENTS or self._bytes + size > MOST_BYTES:
            self.flush()
        self._events.append(event)
        self._bytes += size

    def flush_if_due(self) -> None:
        """Send what was taken, at most once a second."""
        if self._context.clock.monotonic() - self._sent_at >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what was taken. Raises InterruptedRunError only."""
        events, self._events, self._bytes = self._events, [], 0
        if not events or self._is_refused:
            return
        effects = self._context.effects
        try:
            if not self._is_made:
                effects.create_log_stream(self._group, self._stream)
                self._is_made = True
            effects.put_log_events(self._group, self._stream, events)
        except InterruptedRunError:
            raise
        except KilnError as error:
            self._is_refused = not isinstance(error, UnansweredError)
            self._tell_once(len(events), error)
        self._sent_at = self._context.clock.monotonic()

    def _tell_once(self, count: int, error: KilnError) -> None:
        if self._has_told:
            return
        self._has_told = True
        left = "no more logs are sent there" if self._is_refused else f"{count} lines may be missing there"
        self._tell(f"CloudWatch log group {self._group}: {error.message}; {left}")
