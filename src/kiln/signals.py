"""SIGINT, SIGTERM and a closed terminal as a request to stop; each one is reported."""

from __future__ import annotations

import queue
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.stop import Stop

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Listens from now on. `report` may be exchanged: while bars are drawn, only they may write.

    `ends_cluster`: what is running now ends its cluster before it stops.
    """

    def __init__(self, stop: Stop, report: Callable[[str], None]) -> None:
        self._stop = stop
        self.report = report
        self.ends_cluster = False
        # The one thing that a handler may safely do besides: SimpleQueue.put is reentrant.
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._say, daemon=True).start()
        for number in NUMBERS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: object) -> None:
        self._stop.request(signal.SIGTERM if number == signal.SIGHUP else number)
        first = self._stop.count == 1
        if self.ends_cluster:
            what = (
                "stopping: terminating this run's cluster first"
                if first
                else "still terminating; kill -9 stops Kiln and leaves the cluster running"
            )
        else:
            what = "stopping" if first else "still stopping; kill -9 stops Kiln at once"
        self._heard.put(f"{signal.Signals(number).name}: {what}")

    def _say(self) -> None:
        while True:
            text = self._heard.get()
            self.report(text)
