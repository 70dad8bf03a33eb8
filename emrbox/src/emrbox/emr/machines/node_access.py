"""What EMR needs from a node, whoever makes it: the interface of emrbox.nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from emrbox.config import AWS_HOST_NAME, REGION

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from emrbox.emr.life.model import Group, Instance
    from emrbox.nodes.files import Tree

T = TypeVar("T")
Stream = int | IO[Any] | None
MAXIMUM_AT_ONCE = 8

# The environment of EMR's processes on a node. The AWS CLI needs the endpoint named.
NODE_ENVIRONMENT = {
    "AWS_ENDPOINT_URL": f"http://{AWS_HOST_NAME}",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "HADOOP_CONF_DIR": "/etc/hadoop/conf",
    "YARN_CONF_DIR": "/etc/hadoop/conf",
    "JAVA_HOME": "/usr/lib/jvm/jre-17",
}


class MachineNode(Protocol):
    """A node as emrbox.nodes makes it."""

    @property
    def files(self) -> Tree:
        """The node's merged file tree."""

    def popen(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process inside the node, in a process group of its own."""

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        timeout_seconds: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a process inside the node to its end."""

    def inside(self, work: Callable[[], T], which: int) -> T:
        """Run `work` in a thread that is in those of the node's namespaces, with the rights of the box."""

    def go_on(self) -> None:
        """Continue every process of the node that was stopped by a signal."""


class Machines(Protocol):
    """All nodes of the box."""

    def get(self, instance_id: str) -> MachineNode:
        """Return the node of an EC2 instance."""

    def wait_running(self, instance_ids: Iterable[str], timeout_seconds: float) -> None:
        """Return when they all answer."""


@dataclass(frozen=True)
class Member:
    """One node in its cluster."""

    group: Group
    instance: Instance
    node: MachineNode
    alone: bool = False  # a cluster of one node runs everything on its master

    @property
    def is_master(self) -> bool:
        """Whether it is the primary node."""
        return self.group.role == "MASTER"

    @property
    def stores_data(self) -> bool:
        """Whether it is part of HDFS."""
        return self.alone or self.group.role == "CORE"

    @property
    def works(self) -> bool:
        """Whether YARN runs containers on it."""
        return self.alone or self.group.role in {"CORE", "TASK"}


def on_all(function: Callable[[Member], T], members: Sequence[Member]) -> list[T]:
    """Call a function for every member, several at once; the first exception is raised when all are done."""
    with ThreadPoolExecutor(max_workers=MAXIMUM_AT_ONCE, thread_name_prefix="emr-nodes") as pool:
        return list(pool.map(function, members))
