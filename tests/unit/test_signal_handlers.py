from __future__ import annotations

import os
import queue
import signal
from typing import TYPE_CHECKING

import pytest

from kiln.signals import NUMBERS, Signals
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def handlers() -> Iterator[None]:
    """Give this process its own handlers back."""
    kept = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("ends_cluster", "first", "second"),
    [
        (True, "SIGHUP: stopping: terminating this run's cluster first", "SIGINT: still terminating"),
        (False, "SIGHUP: stopping", "SIGINT: still stopping"),
    ],
)
def test_the_first_signal_counts_and_every_signal_is_reported(
    *, ends_cluster: bool, first: str, second: str
) -> None:
    stop = Stop()
    reported: queue.SimpleQueue[str] = queue.SimpleQueue()
    listening = Signals(stop, reported.put)
    listening.ends_cluster = ends_cluster
    os.kill(os.getpid(), signal.SIGHUP)
    assert reported.get(timeout=60) == first
    later: queue.SimpleQueue[str] = queue.SimpleQueue()
    listening.report = later.put
    os.kill(os.getpid(), signal.SIGINT)
    assert later.get(timeout=60).startswith(second)
    assert (stop.signal, stop.count) == (signal.SIGTERM, 2)
