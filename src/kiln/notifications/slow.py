"""A warning while a command takes more than twice as long as usual: looked for whenever somebody waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kiln.errors import caught

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.clock import Clock
    from kiln.notifications.usual import Usual

_TIMES = 2.0
# Before that nothing is slow, and AWS is not asked for earlier runs. A median of fewer runs says little.
_FIRST_LOOK_SECONDS, _FEWEST_RUNS = 60.0, 3


@dataclass(kw_only=True)
class SlowWatch:
    """Warns once. `usual` is asked once, after a minute; `warn` gets the seconds so far and what is usual."""

    clock: Clock
    usual: Callable[[], Usual]
    warn: Callable[[float, Usual], None]
    _started: float = field(init=False)
    _usual: Usual | None = field(default=None, init=False)
    _is_over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._started = self.clock.monotonic()

    def look(self) -> None:
        """Warn when it is time. Nothing is raised."""
        seconds = self.clock.monotonic() - self._started
        if not self._is_over and seconds >= _FIRST_LOOK_SECONDS:
            # What fails here is not tried again in each wait.
            self._is_over = caught(lambda: self._judge(seconds)) is not None or self._is_over

    def _judge(self, seconds: float) -> None:
        if self._usual is None:
            self._usual = self.usual()
        if self._usual.runs < _FEWEST_RUNS:
            self._is_over = True
        elif seconds > _TIMES * self._usual.seconds:
            self._is_over = True
            self.warn(seconds, self._usual)
