"""Measure jobs on a real cluster that others use, too: how soon one is cancelled, and its lines are shown.

In the checkout's own local AWS. Each round begins a run with a Spark job in cluster mode beside a neighbour,
follows its logs, and cancels it. The job writes the time into each of its lines, and nodes have the clock of
this machine. docs/benchmarks/shared_cluster.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path += [str(CHECKOUT / "tests/helpers"), str(CHECKOUT / "examples/demo")]

from hub import Hub, job, run_ids, until
from local import make_local_account
from local_world import DATE, MESSAGES, SEED, World, clean_environment, finished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LINES = 10
KILN = str(CHECKOUT / "scripts/kiln")
# Writes the time before anything else, and then twice a second; goes on until it is ended.
JOB = """
import time

print("stamp", time.time(), flush=True)
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
while True:
    print("stamp", time.time(), flush=True)
    time.sleep(0.5)
"""


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    world = World(*make_local_account(MESSAGES, SEED, DATE, {}))
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as workers:
        hub = Hub(world, JOB, Path(workers))
        try:
            measure(hub, options.rounds)
        finally:
            hub.end()
    return 0


def measure(hub: Hub, rounds: int) -> None:
    """Do the rounds beside one neighbour."""
    (neighbour,) = run_ids("neighbour")
    beside = hub.start(neighbour, job(neighbour))
    until(lambda: is_running(hub, neighbour), beside)
    found = [one_round(hub) for _ in range(rounds)]
    for title, key in (
        ("first line of a driver's log shown after", "first"),
        ("each of its next lines", "next"),
        ("step CANCELLED at EMR after `kiln cancel` began", "cancelled"),
        ("`kiln cancel` ended, the YARN application killed", "ended"),
    ):
        show(title, [seconds for one in found for seconds in one[key]])
    states = hub.applications()
    assert is_running(hub, neighbour), hub.steps(neighbour)
    killed, running = states.count("KILLED"), states.count("RUNNING")
    print(f"YARN applications: {killed} killed, {running} running, which is the neighbour's")
    cancel(hub, neighbour, beside, lambda: None)


def one_round(hub: Hub) -> dict[str, list[float]]:
    """Begin a run, follow its log, cancel it; return seconds."""
    (run_id,) = run_ids("round")
    driver = hub.start(run_id, job(run_id))
    until(lambda: is_running(hub, run_id), driver)
    followed = subprocess.Popen(
        [KILN, "logs", "-f", "model_building", "--env", "local", "--run-id", run_id],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert followed.stdout is not None
    first, *later = delays(followed.stdout)
    seen: list[float] = []
    began = time.monotonic()

    def look() -> None:
        while hub.steps(run_id)[0][1] != "CANCELLED":
            time.sleep(0.1)  # between two questions to AWS
        seen.append(time.monotonic() - began)

    ended = cancel(hub, run_id, driver, look) - began
    followed.stdout.close()
    followed.terminate()
    followed.wait()
    return {"first": [first], "next": later, "cancelled": seen, "ended": [ended]}


def is_running(hub: Hub, run_id: str) -> bool:
    """Return whether a run's step runs as EMR has it."""
    return any(state == "RUNNING" for _, state in hub.steps(run_id))


def delays(shown: IO[str]) -> list[float]:
    """Return how many seconds after their writing the first lines were shown."""
    found: list[float] = []
    while len(found) < LINES:
        words = shown.readline().split()
        if words[:1] == ["stamp"]:
            found.append(time.time() - float(words[1]))
    return found


def cancel(hub: Hub, run_id: str, driver: subprocess.Popen[str], look: Callable[[], None]) -> float:
    """Cancel a run, and return when that command had ended; `look` is called meanwhile."""
    which = ("model_building", "--env", "local", "--run-id", run_id)
    asked = hub.world.start_kiln("cancel", *which, "-o", "json")
    look()
    done = finished(asked)
    ended = time.monotonic()
    assert done.code == 0, done.said
    finished(driver)
    return ended


def show(title: str, seconds: Sequence[float]) -> None:
    """Print the median and the longest."""
    median, longest = statistics.median(seconds), max(seconds)
    print(f"{title:<52} median {median:5.2f} s  longest {longest:5.2f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
