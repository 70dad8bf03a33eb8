"""Logs from nodes to the log URI, gzipped, in EMR's layout (docs/aws_facts.md 3.2), by the nodes' role."""

from __future__ import annotations

import logging
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from emrbox.emr.ids import role_arn
from emrbox.emr.machines.clients import client_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.machines.node_access import MachineNode, Member
    from emrbox.nodes.files import Found

LOG = logging.getLogger(__name__)
LOG_ROOT = "/mnt/var/log"
STEPS_FOLDER = f"{LOG_ROOT}/hadoop/steps"
BOOTSTRAP_FOLDER = f"{LOG_ROOT}/bootstrap-actions"
CONTAINERS_FOLDER = f"{LOG_ROOT}/hadoop-yarn/containers"
APPLICATIONS = ("hadoop-hdfs", "hadoop-yarn", "hadoop-mapreduce", "spark")
MOST_BYTES = 100_000_000  # of one log: what is longer is cut
CHUNK_BYTES = 1_000_000
GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class _Log:
    """A file below a folder of a node."""

    node: MachineNode
    folder: str
    file: Found


class LogPusher:
    """Copies what has changed since the last time. A cluster without a log URI has no logs in S3.

    `late` returns for each file the seconds after which it appears there; 0 is at once.
    """

    def __init__(self, cluster: Cluster, endpoint_url: str, late: Callable[[], float] = lambda: 0.0) -> None:
        self._late = late
        self._cluster = cluster
        self._endpoint_url = endpoint_url
        self._bucket, self._prefix = _location(cluster.log_uri)
        self._pushed: dict[str, tuple[float, int]] = {}
        self._client: Any = None
        self._lock = threading.Lock()

    def uri(self, key: str) -> str | None:
        """Return the s3:// address of a key below the cluster's logs, or None without a log URI."""
        return f"s3://{self._bucket}/{self._prefix}{self._cluster.id}/{key}" if self._bucket else None

    def push(self, members: Sequence[Member]) -> None:
        """Push everything that has changed."""
        self._push((key, file) for member in members for key, file in _files(member))

    def push_step(self, master: Member, members: Sequence[Member], step_id: str) -> None:
        """Push one step's files and every container's."""
        wanted = f"steps/{step_id}/"
        self._push((k, f) for k, f in _step_files(master) if k.startswith(wanted))
        self._push((k, f) for member in members if member.works for k, f in _container_files(member))

    def _push(self, files: Iterator[tuple[str, _Log]]) -> None:
        if not self._bucket:
            return
        with self._lock:
            for name, log in files:
                # A node's file names are bytes; those that are no text reach S3 escaped.
                key = name.encode(errors="backslashreplace").decode()
                try:
                    self._push_file(key, log)
                except (BotoCoreError, ClientError, OSError) as problem:
                    LOG.warning("log %s of %s was not pushed: %s", key, self._cluster.id, problem)

    def _push_file(self, key: str, log: _Log) -> None:
        version = (log.file.changed, log.file.size)
        if self._pushed.get(key) == version:
            return
        if self._client is None:
            arn = role_arn(self._cluster.role_name, self._cluster.account_id)
            session = self._cluster.primary.ec2_id
            self._client = client_as("s3", arn, session, self._endpoint_url)
        body = _compressed(log)
        if seconds := self._late():
            timer = threading.Timer(seconds, self._put, (key, body))
            timer.daemon = True
            timer.start()
        else:
            self._put(key, body)
        self._pushed[key] = version

    def _put(self, key: str, body: bytes) -> None:
        name = f"{self._prefix}{self._cluster.id}/{key}.gz"
        self._client.put_object(Bucket=self._bucket, Key=name, Body=body)


def _location(log_uri: str | None) -> tuple[str, str]:
    bucket, _, prefix = (log_uri or "").partition("://")[2].partition("/")
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _compressed(log: _Log) -> bytes:
    packing = zlib.compressobj(1, wbits=GZIP)
    packed, left = [], MOST_BYTES
    with log.node.files.open_below(log.folder, log.file.path) as file:
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            packed.append(packing.compress(chunk))
            left -= len(chunk)
    return b"".join([*packed, packing.flush()])


def _files(member: Member) -> Iterator[tuple[str, _Log]]:
    if member.is_master:
        yield from _step_files(member)
    yield from _container_files(member)
    node = f"node/{member.instance.ec2_id}"
    for log in _below(member, BOOTSTRAP_FOLDER):
        yield f"{node}/bootstrap-actions/{_last_two(log)}", log
    for application in APPLICATIONS:
        for log in _below(member, f"{LOG_ROOT}/{application}"):
            if "/" not in log.file.path:
                yield f"{node}/applications/{application}/{log.file.path}", log


def _step_files(master: Member) -> Iterator[tuple[str, _Log]]:
    for log in _below(master, STEPS_FOLDER):
        yield f"steps/{_last_two(log)}", log


def _container_files(member: Member) -> Iterator[tuple[str, _Log]]:
    for log in _below(member, CONTAINERS_FOLDER):
        if log.file.path.count("/") >= 2:  # noqa: PLR2004  # application, container, file
            yield f"containers/{log.file.path}", log


def _last_two(log: _Log) -> str:
    """Return a file's folder and name."""
    return "/".join(f"{log.folder}/{log.file.path}".split("/")[-2:])


def _below(member: Member, folder: str) -> Iterator[_Log]:
    for file in member.node.files.files(folder):
        yield _Log(member.node, folder, file)
