"""Measure what emrbox promises, and its API side by side with plain moto's.

In a box of its own: seconds from RunJobFlow to WAITING, memory of a node with Hadoop on it (PSS: shared pages
counted once), 100 instances without Hadoop, and ListClusters among 1,000 hollow clusters. Medians; exit code
1 when a promise is broken.

`--before CHECKOUT` names another checkout of this project, whose set-up has run: its clusters are launched in
turns with this one's, each in a box of its own, and its figures stand beside these.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import EndpointConnectionError
from measure_command import pss_bytes

from emrbox.box import lifecycle, state
from emrbox.pytest_plugin import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOLLOW = 1000
LIGHT = 100
CALLS = 300
POLL_SECONDS = 0.05
LAUNCH: dict[str, Any] = {
    "ReleaseLabel": "emr-spark-8.0.0",
    "ServiceRole": "EMR_DefaultRole",
    "JobFlowRole": "EMR_EC2_DefaultRole",
}


@dataclass(frozen=True)
class Figure:
    """What was measured. `most` is the promise; `beside` is what `other` took: moto, or emrbox before."""

    what: str
    unit: str
    values: Sequence[float]
    most: float | None = None
    beside: float | None = None
    other: str = "moto"

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept."""
        return self.most is None or self.median < self.most

    def line(self) -> str:
        """Return it for people."""
        spread = f"{min(self.values):.1f} to {max(self.values):.1f}" if len(self.values) > 1 else ""
        promise = f"{'kept' if self.is_kept else 'BROKEN'}: below {self.most:.0f}" if self.most else ""
        ratio = (
            f"{self.other}: {self.beside:.1f}, ratio {self.median / self.beside:.2f}" if self.beside else ""
        )
        notes = "; ".join(note for note in (promise, ratio) if note)
        return f"{self.what:46} {self.median:7.1f} {self.unit:3} {spread:16} {notes}"


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="no real clusters")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout, to compare with")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    figures = []
    if not arguments.quick:
        figures += real_clusters(arguments.before, cores=2, runs=arguments.runs, most_seconds=7)
        figures += real_clusters(arguments.before, cores=10, runs=1, most_seconds=40)
        figures += light_nodes()
    with running_box() as (box, _):
        figures += listing(box)
    for figure in figures:
        print(figure.line())
    return 0 if all(figure.is_kept for figure in figures) else 1


@contextmanager
def running_box() -> Iterator[tuple[Box, Path]]:
    """Give a new box, and its home."""
    with tempfile.TemporaryDirectory(prefix="emrbox-bench-") as folder:
        home = Path(folder)
        try:
            yield Box(lifecycle.up(home).endpoint), home
        finally:
            lifecycle.down(home)


@contextmanager
def box_of(checkout: Path) -> Iterator[tuple[Box, Path]]:
    """Give a new box of another checkout, and its home."""
    with tempfile.TemporaryDirectory(prefix="emrbox-bench-") as folder:
        home, command = Path(folder), checkout.resolve() / ".venv/bin/emrbox"
        environment = {**os.environ, "EMRBOX_HOME": folder}
        try:
            subprocess.run([command, "up"], env=environment, check=True, stdout=subprocess.DEVNULL)
            yield Box(state.running(home).endpoint), home
        finally:
            subprocess.run([command, "down"], env=environment, check=True, stdout=subprocess.DEVNULL)


def real_clusters(before: Path | None, *, cores: int, runs: int, most_seconds: float) -> list[Figure]:
    """Launch clusters of one master and `cores` core nodes, one after the other, in turns with `before`."""
    made: list[tuple[list[float], list[float]]] = []
    with ExitStack() as boxes:
        all_boxes = [boxes.enter_context(running_box())]
        if before:
            all_boxes.append(boxes.enter_context(box_of(before)))
        made = [([], []) for _ in all_boxes]
        accounts = [box.open_account(hollow=False) for box, _ in all_boxes]
        for account in accounts:
            account.create_default_roles()
        for _ in range(runs):
            for (_, home), account, (seconds, megabytes) in zip(all_boxes, accounts, made, strict=True):
                launched = launched_cluster(account.client("emr"), home, cores + 1)
                seconds.append(launched[0])
                megabytes.append(launched[1])
    mine = made[0]
    others = [statistics.median(values) for values in made[1]] if before else [None, None]
    nodes = f"1 + {cores} nodes"
    return [
        Figure(f"RunJobFlow to WAITING, {nodes}", "s", mine[0], most_seconds, others[0], "before"),
        Figure(f"memory of a node, {nodes}", "MB", mine[1], 300, others[1], "before"),
    ]


def launched_cluster(emr: Any, home: Path, instances: int) -> tuple[float, float]:
    """Launch a cluster and end it. Return seconds to WAITING, and MB a node then."""
    started = time.monotonic()
    cluster_id = launch(emr, f"{instances} nodes", instances)
    wait_for(emr, cluster_id, "WAITING")
    seconds = time.monotonic() - started
    megabytes = node_bytes(home) / instances / 1e6
    emr.terminate_job_flows(JobFlowIds=[cluster_id])
    wait_for(emr, cluster_id, "TERMINATED")
    return seconds, megabytes


def light_nodes() -> list[Figure]:
    """Launch instances without Hadoop."""
    with running_box() as (box, home):
        ec2 = box.open_account(hollow=False).client("ec2")
        images = ec2.describe_images(Filters=[{"Name": "name", "Values": ["al2023-ami-*"]}])["Images"]
        image = max(images, key=lambda image: image["CreationDate"])["ImageId"]
        started = time.monotonic()
        ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=LIGHT, MaxCount=LIGHT)
        running = [{"Name": "instance-state-name", "Values": ["running"]}]
        pages = ec2.get_paginator("describe_instances")
        while True:
            found = [
                group["Instances"]
                for page in pages.paginate(Filters=running)
                for group in page["Reservations"]
            ]
            if sum(map(len, found)) == LIGHT:
                break
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
        megabytes = node_bytes(home) / LIGHT / 1e6
    return [
        Figure(f"RunInstances to running, {LIGHT} instances", "s", [seconds], 20),
        Figure(f"memory of an instance, {LIGHT} instances", "MB", [megabytes], 10),
    ]


def launch(emr: Any, name: str, instances: int) -> str:
    """Launch a cluster of `instances` that stays."""
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
    if instances > 1:
        groups.append({"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": instances - 1})
    shape = {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True}
    return str(emr.run_job_flow(Name=name, Instances=shape, **LAUNCH)["JobFlowId"])


def wait_for(emr: Any, cluster_id: str, state: str) -> None:
    """Return as soon as the cluster is in this state."""
    while (found := emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"])["State"] != state:
        if found["State"].startswith("TERMINATED"):
            raise RuntimeError(f"{cluster_id}: {found}")
        time.sleep(POLL_SECONDS)


def node_bytes(home: Path) -> int:
    """Return the memory of all processes below the box's server: those of its nodes."""
    pid = state.running(home).pid
    [server] = children(pid)
    waiting, total = children(server), 0
    while waiting:
        process = waiting.pop()
        total += pss_bytes(process)
        waiting += children(process)
    return total


def children(pid: int) -> list[int]:
    """Return the processes that any thread of a process has started."""
    found = subprocess.run(["pgrep", "--parent", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def listing(box: Box) -> list[Figure]:
    """Page through the clusters, here and on plain moto in turns: what else the machine does hits both."""
    account = box.open_account()
    account.create_default_roles()
    with plain_moto() as motos:
        clients = (account.client("emr"), motos)
        for emr in clients:
            for number in range(HOLLOW):
                launch(emr, f"hollow-{number}", 3)
        in_turns = zip(*map(milliseconds_of_pages, clients), strict=True)
        mine, others = zip(*in_turns, strict=True)
    account.close()
    name = f"ListClusters, {HOLLOW} clusters"
    return [
        Figure(f"{name}, median", "ms", [statistics.median(mine)], beside=statistics.median(others)),
        Figure(f"{name}, 99 of 100 calls", "ms", [percentile(mine)], 50, percentile(others)),
    ]


def milliseconds_of_pages(emr: Any) -> Iterator[float]:
    """Time calls of ListClusters from page to page."""
    marker: dict[str, str] = {}
    for _ in range(CALLS):
        started = time.monotonic()
        answer = emr.list_clusters(**marker)
        yield (time.monotonic() - started) * 1000
        marker = {"Marker": answer["Marker"]} if "Marker" in answer else {}


@contextmanager
def plain_moto() -> Iterator[Any]:
    """Give a client of a moto server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stderr=subprocess.DEVNULL
    )
    session: Any = boto3.Session("x", "x", region_name="us-east-1")
    emr = session.client("emr", endpoint_url=f"http://127.0.0.1:{port}")
    try:
        while server.poll() is None:
            with suppress(EndpointConnectionError):
                emr.list_clusters()
                break
        yield emr
    finally:
        server.kill()
        server.wait()


def percentile(values: Sequence[float]) -> float:
    """Return the value that 99 of 100 are below."""
    return statistics.quantiles(values, n=100)[-1]


if __name__ == "__main__":
    sys.exit(main())
