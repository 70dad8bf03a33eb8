"""kill -9 of two boxes at random moments while they work: nothing stays, and the next one starts."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from waiting import HANG_SECONDS

from emrbox.pytest_plugin import Box

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.box
KILLS = 10
SEEDS = (9, 10)  # one box each
LATEST_SECONDS = 15.0


def namespaces_of(pid: int) -> set[str]:
    """Return the mount, network and pid namespaces of a process and all below it."""
    found: set[str] = set()
    waiting = [pid]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        with contextlib.suppress(OSError):
            found |= own_namespaces(process)
            for task in (process / "task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return found - own_namespaces(Path("/proc/self"))


def own_namespaces(process: Path) -> set[str]:
    return {str((process / "ns" / kind).readlink()) for kind in ("mnt", "net", "pid")}


def ticks_since_boot(process: Path) -> int:
    """Return when a process started, in clock ticks."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[19])


def traces(home: Path, namespaces: set[str], killed_at: float) -> list[str]:
    """Return what is left of a box: mounts, and processes that see them or are in its namespaces.

    `killed_at` is in clock ticks since boot: the kernel gives the numbers of dead namespaces to new ones, so
    a younger process is another box's.
    """
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if f"{home}/" in (process / "mountinfo").read_text():
                found.append(f"process {process.name} sees its mounts")
            if namespaces & own_namespaces(process) and ticks_since_boot(process) <= killed_at:
                found.append(f"process {process.name} is in its namespaces")
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"{home}/" in line]
    return found


def work(endpoint: str) -> None:
    """Keep the box busy until it dies: an instance, a small cluster with steps, objects."""
    # A server that dies in the middle of an answer makes clients fail in any way.
    with contextlib.suppress(Exception):
        account = Box(endpoint).open_account(hollow=False)
        account.create_default_roles()
        cluster = account.client("emr").run_job_flow(
            Name="short-lived",
            ReleaseLabel="emr-spark-8.0.0",
            ServiceRole="EMR_DefaultRole",
            JobFlowRole="EMR_EC2_DefaultRole",
            Instances={"MasterInstanceType": "m5.xlarge", "InstanceCount": 1},
            Steps=[
                {
                    "Name": "sleep",
                    "ActionOnFailure": "CONTINUE",
                    "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["sleep", "60"]},
                }
            ],
        )
        assert cluster["JobFlowId"]
        s3 = account.client("s3")
        s3.create_bucket(Bucket="busy")
        for number in range(10_000):
            s3.put_object(Bucket="busy", Key=str(number), Body=b"x" * 10_000)


def kill_again_and_again(box: Any, moments: random.Random) -> list[str]:
    """Start a box, give it work, kill it, look for what is left; ten times. Return what was found."""
    found = []
    for kill in range(KILLS):
        started = box.command("up")
        assert started.returncode == 0, started.stderr
        state = json.loads((box.home / "box.json").read_text())
        pid, interface = state["pid"], Path("/sys/class/net", state["interface"])
        worker = threading.Thread(target=work, args=(state["endpoint"],), daemon=True)
        worker.start()
        # Most die while the cluster starts, some while its daemons and its step run.
        time.sleep(LATEST_SECONDS * moments.random() ** 2)
        # Every other time the server, which is the first process's child, dies instead.
        victim = pid if kill % 2 else int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        namespaces = namespaces_of(pid)
        os.kill(victim, signal.SIGKILL)
        gone = (box.home, namespaces, time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
        deadline = time.monotonic() + HANG_SECONDS
        while (traces(*gone) or interface.exists()) and time.monotonic() < deadline:
            time.sleep(0.02)
        found += [f"kill {kill}: {trace}" for trace in traces(*gone)]
        found += [f"kill {kill}: {interface}"] if interface.exists() else []
        worker.join(HANG_SECONDS)
    return found


def test_nothing_is_left_of_two_boxes_that_are_killed_at_any_moment(
    make_box: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # who works in a box that is killed need not try again
    boxes = [make_box() for _ in SEEDS]
    with ThreadPoolExecutor() as pool:
        killed = [
            pool.submit(kill_again_and_again, box, random.Random(seed))  # noqa: S311  # repeatable, not secret
            for box, seed in zip(boxes, SEEDS, strict=True)
        ]
    assert [result.result() for result in killed] == [[], []]
    for box in boxes:
        box.up()
        assert box.status()["instances"] == []
        assert box.launch()[0]["State"]["Name"] == "running"
