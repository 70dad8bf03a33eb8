"""How tests wait for what other processes do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# A deadline is for what hangs, not for what is slow: a CI machine may be far busier than a desk.
HANG_SECONDS = 180.0


def wait_until(condition: Callable[[], Any], seconds: float = HANG_SECONDS) -> Any:
    """Return what `condition` returns as soon as it is truthy; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)
    return found
