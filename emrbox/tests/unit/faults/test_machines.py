"""Faults and delays around real machines, with machines and an S3 that a test scripts."""

from __future__ import annotations

import gzip
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from emrbox.commands import cli
from emrbox.commands.switches import fault_document
from emrbox.emr.api.launch_request import new_cluster
from emrbox.emr.hollow.delays import Delays
from emrbox.emr.life.layer import InterruptedByEndError
from emrbox.emr.machines import log_pusher
from emrbox.errors import BoxError
from emrbox.faults.book import FaultBook
from emrbox.faults.machines import with_faults
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Machines:
    def __init__(self) -> None:
        self.done: list[str] = []

    def boot(self, _check: Callable[[], None]) -> None:
        self.done.append("boot")

    def shut_down(self) -> None:
        self.done.append("shut_down")

    def busy(self) -> bool:
        return True


def cluster() -> Any:
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
    request: dict[str, Any] = {
        "Name": "daily",
        "ReleaseLabel": "emr-spark-8.0.0",
        "ServiceRole": "s",
        "JobFlowRole": "j",
    }
    request |= {"Instances": {"InstanceGroups": groups}, "LogUri": "s3://logs/emr"}
    return new_cluster(request, "j", datetime.now(UTC))


def now() -> datetime:
    return datetime.now(UTC)


def test_delays_take_real_time_and_a_termination_interrupts_them() -> None:
    delays, machines = Delays(), Machines()
    delays.change({"phases": {"starting": [0.2, 0.2]}})
    layer = with_faults(machines, cluster(), FaultBook(), delays=delays)  # type: ignore[arg-type]  # a part of it
    began = time.monotonic()
    layer.boot(lambda: None)
    assert time.monotonic() - began >= 0.2
    assert layer.busy()  # what has no fault is the machines' own

    def ended() -> None:
        raise InterruptedByEndError

    with pytest.raises(InterruptedByEndError):
        layer.boot(ended)
    assert machines.done == ["boot"]


def test_a_stuck_end_goes_on_when_the_fault_is_removed() -> None:
    book, machines = FaultBook(), Machines()
    fault = book.add({"kind": "termination-stuck", "cluster": "daily"})
    layer = with_faults(machines, cluster(), book, now=now)  # type: ignore[arg-type]  # a part of it
    ending = threading.Thread(target=layer.shut_down)
    ending.start()
    time.sleep(0.15)
    assert machines.done == []
    book.remove(fault.id)
    ending.join(60)
    assert machines.done == ["shut_down"]


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
    pusher, bucket = log_pusher.LogPusher(cluster(), "http://x", lambda: 60), Bucket()
    pusher._client = bucket
    file = tmp_path / "stderr"
    file.write_bytes(b"said")
    node: Any = SimpleNamespace(files=Tree(tmp_path))
    [found] = node.files.files("/")
    pusher._push(iter([("steps/s-1/stderr", log_pusher._Log(node, "/", found))]))
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
