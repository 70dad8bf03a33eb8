"""Where logs are on a node, and where they stand below a log URI (docs/aws_facts.md 3.2, 3.3)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emrbox.emr.machines.node_access import Member

LOG_ROOT = "/mnt/var/log"
STEPS_FOLDER = f"{LOG_ROOT}/hadoop/steps"
CONTAINERS_FOLDER = f"{LOG_ROOT}/hadoop-yarn/containers"
BOOTSTRAP_FOLDER = f"{LOG_ROOT}/bootstrap-actions"
PROVISION_FOLDER = f"{LOG_ROOT}/provision-node"
CONTROLLER_FOLDER = f"{LOG_ROOT}/instance-controller"
STATE_FOLDER = f"{LOG_ROOT}/instance-state"
APPLICATIONS = ("hadoop-hdfs", "hadoop-yarn", "hadoop-mapreduce", "spark")
# EMR's own paths of some of these folders. Which of the two is the link there is not known.
LINKS = {"/emr/instance-controller/log": CONTROLLER_FOLDER, "/emr/instance-state": STATE_FOLDER}
ANY = sys.maxsize


@dataclass(frozen=True)
class Source:
    """A folder of a node and its place below the logs; `{instance}` in it is the node's EC2 id.

    The files that count are so many names deep in it, from `least` to `most`. Those of `is_rotated` sources
    are cut by the hour.
    """

    folder: str
    place: str
    least: int = 1
    most: int = ANY
    is_rotated: bool = False
    is_of_master: bool = False


NODE = "node/{instance}"
STEPS = Source(STEPS_FOLDER, "steps", least=2, most=2, is_rotated=True, is_of_master=True)
CONTAINERS = Source(CONTAINERS_FOLDER, "containers", least=3)
SOURCES = (
    STEPS,
    CONTAINERS,
    Source(BOOTSTRAP_FOLDER, f"{NODE}/bootstrap-actions"),
    Source(PROVISION_FOLDER, f"{NODE}/provision-node"),
    Source(CONTROLLER_FOLDER, f"{NODE}/daemons", most=1, is_rotated=True),
    Source(STATE_FOLDER, f"{NODE}/daemons/instance-state", most=1),
    *(
        Source(f"{LOG_ROOT}/{name}", f"{NODE}/applications/{name}", most=1, is_rotated=True)
        for name in APPLICATIONS
    ),
)


@dataclass(frozen=True)
class Log:
    """A file that is to stand below the logs as `key`; its size in bytes, its time in seconds."""

    key: str
    size: int
    changed: float
    open: Callable[[], IO[bytes]]
    is_rotated: bool = False


def logs_of(member: Member, *sources: Source) -> Iterator[Log]:
    """Yield the logs that a node has of these sources."""
    for source in sources:
        if source.is_of_master and not member.is_master:
            continue
        place = source.place.format(instance=member.instance.ec2_id)
        for file in member.node.files.files(source.folder):
            if source.least <= file.path.count("/") + 1 <= source.most:
                opened = partial(member.node.files.open_below, source.folder, file.path)
                yield Log(f"{place}/{file.path}", file.size, file.changed, opened, source.is_rotated)
