"""Faults and delays around real machines, with machines and an S3 that a test scripts."""

from __future__ import annotations

import gzip
import subprocess
import threading
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from emrbox.commands import cli
from emrbox.commands.switches import fault_document
from emrbox.emr.api.launch_request import new_cluster
from emrbox.emr.hollow.delays import Delays
from emrbox.emr.hollow.nodes import HollowNodes
from emrbox.emr.hollow.scripts import Scripts
from emrbox.emr.life import endings
from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.drivers import ClockDriver
from emrbox.emr.life.engine import Engine
from emrbox.emr.life.wrapped_layer import WrappedLayer
from emrbox.emr.machines import log_pusher
from emrbox.emr.machines.log_layout import Log
from emrbox.errors import BoxError
from emrbox.faults.book import FaultBook
from emrbox.faults.cluster_faults import ClusterFaults
from emrbox.faults.faulty_nodes import FaultyNodes
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emrbox.emr.life.layer import NodeLayer


def cluster(now: datetime | None = None) -> Any:
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
    request: dict[str, Any] = {
        "Name": "daily",
        "ReleaseLabel": "emr-spark-8.0.0",
        "ServiceRole": "s",
        "JobFlowRole": "j",
    }
    request |= {"Instances": {"InstanceGroups": groups}, "LogUri": "s3://logs/emr"}
    return new_cluster(request, "j", now or datetime.now(UTC))


class Life:
    """A cluster that is driven by a clock that stands still, and what was asked of its machines."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.delays, self.book, self.clock = Delays(), FaultBook(), MovableClock()
        self.clock.freeze()
        self.cluster = cluster(self.clock.now())
        self.cluster.keep_alive = True
        nodes = Recorded(HollowNodes(self.cluster, self.clock, Scripts()), self.done)
        self.layer = FaultyNodes(nodes, self.cluster, self.book, self.clock.now)
        engine = Engine(self.cluster, self.layer, pick_delay=self.delays.pick)
        self.driver = ClockDriver(self.cluster, engine, self.clock)
        self.cluster.wake = self.driver.wake

    def end(self) -> None:
        self.cluster.end(endings.by_user(), self.clock.now())
        self.cluster.wake()
        self.clock.advance(0)


class Recorded(WrappedLayer):
    def __init__(self, inner: NodeLayer, done: list[str]) -> None:
        super().__init__(inner)
        self._done = done

    def boot(self, check: Callable[[], None]) -> None:
        self._done.append("boot")
        super().boot(check)

    def shut_down(self) -> None:
        self._done.append("shut_down")
        super().shut_down()

    def busy(self) -> bool:
        return True


def test_delays_take_the_clocks_time_and_a_termination_interrupts_them() -> None:
    life = Life()
    life.delays.change({"phases": {"starting": [60, 60]}})
    life.driver.start()
    life.clock.advance(59)
    assert life.done == []
    life.clock.advance(1)
    assert life.done == ["boot"]
    assert life.layer.busy()  # what has no fault is the machines' own

    ended = Life()
    ended.delays.change({"phases": {"starting": [60, 60]}})
    ended.driver.start()
    ended.clock.advance(59)
    ended.end()
    assert ended.done == ["shut_down"]
    assert ended.cluster.status.state == "TERMINATED"


def test_a_stuck_end_goes_on_when_the_fault_is_removed() -> None:
    life = Life()
    fault = life.book.add({"kind": "termination-stuck", "cluster": "daily"})
    life.driver.start()
    life.clock.advance(0)
    life.end()
    life.clock.advance(600)
    assert life.done == ["boot"]
    life.book.remove(fault.id)
    life.clock.advance(1)
    assert life.done == ["boot", "shut_down"]


def test_a_fault_that_is_removed_while_it_acts_is_undone() -> None:
    class StoppedNode:
        """Machines of which the book's owner thinks better while their processes are stopped."""

        def on_node(self, instance: Any, act: Callable[[Any], Any]) -> Any:  # noqa: ARG002  # there is one
            return act(self)

        def run(self, argv: list[str]) -> Any:
            done.append("stop")
            book.clear()
            return subprocess.CompletedProcess(argv, 0, b"", b"")

        def go_on(self) -> None:
            done.append("go on")

    class Timer(threading.Timer):
        def start(self) -> None:
            self.function(*self.args, **self.kwargs)

    done: list[str] = []
    life, book = Life(), FaultBook()
    life.driver.start()
    life.clock.advance(0)
    life.cluster.clock = None  # no hollow one
    machines: Any = StoppedNode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "Timer", Timer)
        ClusterFaults(book, lambda: [life.cluster], lambda _: None, hollow=machines, real=machines)
        book.add({"kind": "hang", "parameters": {"role": "MASTER"}})
    assert done == ["stop", "go on"]


def test_late_logs_appear_later_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bucket:
        def __init__(self) -> None:
            self.put: dict[str, bytes] = {}

        def put_object(self, **request: Any) -> None:
            self.put[request["Key"]] = gzip.decompress(request["Body"])

    class Timer(threading.Timer):
        def start(self) -> None:
            timers.append(self)

    timers: list[Timer] = []
    monkeypatch.setattr(threading, "Timer", Timer)
    now = partial(datetime.now, UTC)
    pusher, bucket = log_pusher.LogPusher(cluster(), "http://x", now, lambda: 60), Bucket()
    pusher._client = bucket
    file = tmp_path / "stderr"
    file.write_bytes(b"said")
    pusher.push([Log("steps/s-1/stderr", 4, 0.0, partial(Tree(tmp_path).open_below, "/", "stderr"))])
    file.unlink()
    assert bucket.put == {}
    [timer] = timers
    assert timer.interval == 60
    timer.function(*timer.args, **timer.kwargs)
    ((key, body),) = bucket.put.items()
    assert key.endswith("/steps/s-1/stderr.gz")
    assert body == b"said"


def test_the_command_line_sends_what_the_api_takes() -> None:
    words = ["fault", "add", "slow", "seconds=1.5", "--operation", "List*", "--count", "2", "--seed", "7"]
    document = fault_document(cli.parser().parse_args(words))
    assert document == {
        "kind": "slow",
        "operation": "List*",
        "count": 2,
        "seed": 7,
        "parameters": {"seconds": 1.5},
    }
    assert FaultBook().add(document).parameters == {"seconds": 1.5}
    with pytest.raises(BoxError, match="NAME=VALUE"):
        fault_document(cli.parser().parse_args(["fault", "add", "slow", "seconds"]))
