"""History servers off the clusters, on machines that a test plays: which run, and with which event logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from emrbox.config import BoxConfig, Images
from emrbox.emr.life.app_uis import UiError
from emrbox.emr.machines import history_process
from emrbox.emr.machines.event_logs import EventLogs
from emrbox.emr.machines.history_servers import FOLDER, MOST, HistoryServers
from emrbox.errors import BoxError
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = IPv4Network("10.213.0.0/22")


@dataclass
class Node:
    """A machine of a test: its files are real."""

    spec: Any
    files: Tree
    is_running: bool = False

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False


@dataclass
class World:
    """The box. `problem` keeps machines from starting, `is_silent` servers from answering."""

    folder: Path
    nodes: list[Node] = field(default_factory=list)
    processes: list[Any] = field(default_factory=list)
    problem: BoxError | None = None
    is_silent: bool = False

    def create(self, spec: Any) -> Any:
        if self.problem:
            raise self.problem
        root = self.folder / f"node-{len(self.nodes)}"
        (root / "etc").mkdir(parents=True)
        (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nspark:x:0:0::/:/bin/sh\n")
        self.nodes.append(Node(spec, Tree(root)))
        return self.nodes[-1]

    def remove(self, instance_id: str, _: str) -> None:
        assert not next(n for n in reversed(self.nodes) if n.spec.instance_id == instance_id).is_running

    def start(self, node: Node, _: str) -> Any:
        node.files.write(history_process.LOG_FILE, b"no memory\n")
        self.processes.append(SimpleNamespace(code=None))
        self.processes[-1].poll = lambda process=self.processes[-1]: process.code
        return self.processes[-1]

    def running(self) -> list[str]:
        return [node.spec.address for node in self.nodes if node.is_running]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr(history_process, "start", made.start)
    monkeypatch.setattr(history_process, "wait_answers", lambda *_: not made.is_silent)
    return made


@pytest.fixture
def servers(world: World) -> HistoryServers:
    config = BoxConfig(
        home=world.folder,
        port=1,
        network=NETWORK,
        admin_access_key_id="a",
        admin_secret_access_key="s",
        images=Images(world.folder, {"emr-spark-8.0.0": (world.folder,)}, world.folder),
    )
    return HistoryServers(config, world, EventLogs(world.folder / "logs"), lambda _: None)


def ui(name: str) -> Any:
    return SimpleNamespace(id=f"p-{name}", cluster_id="j-1", account_id="1")


def test_machines_have_addresses_that_ec2_gives_to_no_instance(world: World, servers: HistoryServers) -> None:
    for name in ("a", "b", "c"):
        servers.open(ui(name))
    reserved = {str(network[n]) for network in NETWORK.subnets(new_prefix=24) for n in (1, 2, 3)}
    assert set(world.running()) <= reserved - {"10.213.0.1", "10.213.0.2"}
    assert len(set(world.running())) == MOST


def test_the_one_that_was_opened_the_longest_time_ago_makes_room(
    world: World, servers: HistoryServers
) -> None:
    for name in ("a", "b", "c", "a", "d"):
        servers.open(ui(name))
    assert servers.address_of("p-b") is None
    assert len(set(world.running())) == MOST
    servers.open(ui("b"))
    assert servers.address_of("p-b") in world.running()
    assert servers.address_of("p-c") is None
    servers.forget(ui("b"))
    assert (servers.address_of("p-b"), len(world.running())) == (None, MOST - 1)


def test_a_server_gets_the_event_logs_that_have_changed_and_loses_those_that_are_gone(
    world: World, servers: HistoryServers
) -> None:
    top = world.folder / "logs/1/j-1"
    (top / "app").mkdir(parents=True)
    (top / "app/one").write_text("1")
    (top / "two").write_text("2")
    (top / ".part").write_text("")
    servers.open(ui("a"))
    files = world.nodes[0].files
    assert {found.path for found in files.files(FOLDER)} == {"app/one", "two"}
    files.write(f"{FOLDER}/two", b"as it was copied")
    (top / "app/one").unlink()
    (top / "app/three").write_text("3")
    servers.open(ui("a"))
    assert {found.path for found in files.files(FOLDER)} == {"app/three", "two"}
    assert files.read(f"{FOLDER}/two") == b"as it was copied"
    assert len(world.nodes) == len(world.processes) == 1


def test_a_server_that_has_ended_is_started_again(world: World, servers: HistoryServers) -> None:
    servers.open(ui("a"))
    world.processes[0].code = 1
    servers.open(ui("a"))
    assert len(world.processes) == 2
    assert len(world.running()) == 1


def test_a_machine_or_a_server_that_does_not_start_leaves_nothing(
    world: World, servers: HistoryServers
) -> None:
    said: list[str | None] = []
    world.problem = BoxError("no space")
    with pytest.raises(UiError, match="no space"):
        servers.open(ui("a"))
    world.problem, world.is_silent = None, True
    with pytest.raises(UiError, match="does not answer: no memory"):
        servers.open(ui("a"))
    assert (world.running(), servers.address_of("p-a")) == ([], None)
    world.is_silent = False
    servers.attach(ui("a"), said.append)
    servers.open(ui("a"))  # the same server: it waits for the other thread
    assert len(world.running()) == 1
