"""Measure how kiln watches many clusters, beside what Airflow's EMR sensors would ask for the same ones.

In a box of its own, on hollow clusters: EMR's calls of a whole run and of a minute, from emrbox's log of
calls; the time from a step's end to its notice, with events and without. bench/README.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[1] / "emrbox/bench"))

from measure_emrbox import running_box

from hollow_host import Processes, calls_since, cancel, launch, make_queue
from whole_run import whole_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emrbox.pytest_plugin import Box

INTERVAL_SECONDS = 15.0
# Airflow's EmrStepSensor asks DescribeStep, EmrJobFlowSensor DescribeCluster, each once a poke_interval.
SENSOR_CALLS, POKE_SECONDS = 2, 60.0
PROCESSES = 4
# An end costs its wait one ListSteps: so many a second are half of EMR's quota, which is Kiln's share.
ENDS_A_SECOND = 0.25


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=40, help="steps that end, with events and without")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    with running_box() as (box, _):
        once(box)
        calls_and_notice(box, options.clusters, options.minutes, options.steps, events=False)
        calls_and_notice(box, options.clusters, options.minutes, options.steps, events=True)
    return 0


def once(box: Box) -> None:
    """Count the calls of one whole run."""
    account = box.open_account()
    account.create_default_roles()
    fixed, watching = whole_run(account)
    account.close()
    show("EMR calls of a whole run with 2 steps", f"{fixed.total()}, {watching.total()} more to watch")
    show("  which", ", ".join(f"{name} {count}" for name, count in sorted(fixed.items())))


def calls_and_notice(box: Box, clusters: int, minutes: float, ends: int, *, events: bool) -> None:
    """Watch clusters whose steps run, then let some end."""
    account = box.open_account()
    account.create_default_roles()
    made = launch(account, clusters)
    name = "with events" if events else "without events"
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as cache:
        queue = make_queue(account) if events else ""
        host = Processes(account, Path(cache), interval=INTERVAL_SECONDS, queue_url=queue)
        try:
            for number in range(PROCESSES):
                host.start(made[number::PROCESSES])
            host.until_waiting(clusters)
            time.sleep(2 * INTERVAL_SECONDS)
            time.sleep(60 * minutes)
            found = calls_since(account, 60 * minutes)
            sensors = clusters * SENSOR_CALLS * 60 / POKE_SECONDS
            show(
                f"EMR calls a minute, {clusters} clusters, {name}",
                f"{found.total() / minutes:.1f}",
                f"sensors: {sensors:.0f}",
            )
            show("  which", ", ".join(f"{key} {count / minutes:.1f}" for key, count in found.items()))
            seconds = noticed(host, cancel(account, made[:ends], 1 / ENDS_A_SECOND), made[:ends])
            show(
                f"step's end to its notice, {name}",
                f"{statistics.median(seconds):.2f} s, p95 {percentile(seconds):.2f} s",
                f"sensors: {POKE_SECONDS / 2:.0f} s, p95 {POKE_SECONDS * 0.95:.0f} s",
            )
        finally:
            host.end()
    account.close()


def noticed(
    host: Processes, asked: Iterable[tuple[str, float]], steps: Sequence[tuple[str, str]]
) -> list[float]:
    """Return after how many seconds each end was noticed."""
    started = dict(asked)
    host.until_noticed(steps)
    return [host.noticed[step] - moment for step, moment in started.items()]


def percentile(values: Sequence[float]) -> float:
    """Return the value that 95 of 100 are below."""
    return statistics.quantiles(values, n=20)[-1]


def show(what: str, value: str, beside: str = "") -> None:
    """Print one figure."""
    print(f"{what:52} {value:34} {beside}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
