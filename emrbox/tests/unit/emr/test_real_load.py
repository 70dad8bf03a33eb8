"""What real nodes report of their load, and when that counts as idle: from the daemons' own answers."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from emrbox.emr.api.launch_request import new_cluster
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.machines import daemons
from emrbox.emr.machines.daemons import Daemons
from emrbox.emr.machines.real_nodes import RealNodes

# As a ResourceManager of Hadoop 3.4.1 answers after one application; `appsSubmitted` never falls.
METRICS = {
    "appsSubmitted": 1,
    "appsPending": 0,
    "appsRunning": 0,
    "containersAllocated": 0,
    "containersPending": 0,
    "totalMB": 3072,
    "allocatedMB": 0,
    "pendingMB": 0,
}


class Nodes:
    """A cluster of a primary node and two others, and what its daemons answer."""

    def __init__(self, emr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.metrics: dict[str, Any] | None = dict(METRICS)
        self.nodes = [{"nodeHostName": f"node{n}", "state": "RUNNING", "numContainers": n} for n in (0, 1)]
        self.hdfs_percent = 1.0
        cluster = new_cluster(emr.run_request(), "nodes", datetime.now(UTC))
        files = SimpleNamespace(status=lambda _: None)
        members: Any = [
            SimpleNamespace(
                instance=SimpleNamespace(private_ip="10.0.0.1", private_dns=f"node{n}", ec2_id=f"i-{n}"),
                node=SimpleNamespace(files=files),
                is_master=n == "m",
            )
            for n in ("m", "0", "1")
        ]
        self.real = RealNodes(cluster, SimpleNamespace(), "http://nowhere", SystemClock())
        self.real._members = members
        self.real._daemons = Daemons(members)
        monkeypatch.setattr(daemons, "json_or_none", self.answer)

    def answer(self, url: str) -> Any:
        if url.endswith("/cluster/metrics"):
            return self.metrics and {"clusterMetrics": self.metrics}
        if url.endswith("/cluster/nodes"):
            return {"nodes": {"node": self.nodes}}
        return {"beans": [{"PercentUsed": self.hdfs_percent}]}


@pytest.fixture
def nodes(emr: Any, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    return Nodes(emr, monkeypatch)


def test_nodes_without_containers_idle_and_those_that_leave_do_not_count(nodes: Nodes) -> None:
    load = nodes.real.load()
    assert load is not None
    assert (set(load.nodes), set(load.idle)) == ({"i-0", "i-1"}, {"i-0"})
    nodes.nodes[0]["state"] = "DECOMMISSIONING"
    load = nodes.real.load()
    assert load is not None
    assert (set(load.nodes), set(load.idle)) == ({"i-1"}, set())


def test_each_node_that_leaves_is_waited_for_as_long_as_it_may_take(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = nodes.real._daemons
    refreshed: list[int] = []
    monkeypatch.setattr(real, "_refresh", refreshed.append)
    monkeypatch.setattr(real, "_datanodes", dict)

    def finish_the_other() -> None:
        nodes.nodes[1]["state"] = "DECOMMISSIONED"

    real.decommission({"node0": 0, "node1": 3600}, finish_the_other)
    assert ([node["state"] for node in nodes.nodes], refreshed) == (["RUNNING", "DECOMMISSIONED"], [3600])


def test_a_cluster_whose_applications_are_over_is_idle(nodes: Nodes) -> None:
    assert not nodes.real.busy()


def test_work_full_disks_and_silence_count_as_busy(nodes: Nodes) -> None:
    for name in ("appsRunning", "appsPending"):
        nodes.metrics = {**METRICS, name: 1}
        assert nodes.real.busy()
    nodes.metrics, nodes.hdfs_percent = dict(METRICS), 10.0
    assert nodes.real.busy()
    nodes.metrics = None
    assert nodes.real.load() is None
    assert nodes.real.busy()
