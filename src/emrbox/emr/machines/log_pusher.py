"""Logs from the nodes to the log URI, gzipped, in EMR's layout (emr-facts 3.2), by the nodes' role."""

from __future__ import annotations

import gzip
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from emrbox.emr.api.service import role_arn
from emrbox.emr.machines.clients import client_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.machines.node_access import Member

LOG = logging.getLogger(__name__)
STEPS_FOLDER = "mnt/var/log/hadoop/steps"
BOOTSTRAP_FOLDER = "mnt/var/log/bootstrap-actions"
CONTAINERS_FOLDER = "mnt/var/log/hadoop-yarn/containers"
APPLICATIONS = ("hadoop-hdfs", "hadoop-yarn", "hadoop-mapreduce", "spark")


class LogPusher:
    """Copies what has changed since the last time. A cluster without a log URI has no logs in S3.

    `late` says for each file after how many seconds it is to appear there; 0 is at once.
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

    def _push(self, files: Iterator[tuple[str, Path]]) -> None:
        if not self._bucket:
            return
        with self._lock:
            for key, file in files:
                try:
                    self._push_file(key, file)
                except (BotoCoreError, ClientError, OSError) as problem:
                    LOG.warning("log %s of %s was not pushed: %s", key, self._cluster.id, problem)

    def _push_file(self, key: str, file: Path) -> None:
        status = file.stat()
        version = (status.st_mtime, status.st_size)
        if self._pushed.get(key) == version:
            return
        if self._client is None:
            arn = role_arn(self._cluster.role_name, self._cluster.account_id)
            session = self._cluster.instances[0].ec2_id
            self._client = client_as("s3", arn, session, self._endpoint_url)
        body = gzip.compress(file.read_bytes(), compresslevel=1)
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


def _files(member: Member) -> Iterator[tuple[str, Path]]:
    if member.is_master:
        yield from _step_files(member)
    yield from _container_files(member)
    node = f"node/{member.instance.ec2_id}"
    for file in _below(member.node.root / BOOTSTRAP_FOLDER):
        yield f"{node}/bootstrap-actions/{file.parent.name}/{file.name}", file
    for application in APPLICATIONS:
        folder = member.node.root / "mnt/var/log" / application
        for file in sorted(folder.glob("*")):
            if file.is_file():
                yield f"{node}/applications/{application}/{file.name}", file


def _step_files(master: Member) -> Iterator[tuple[str, Path]]:
    for file in _below(master.node.root / STEPS_FOLDER):
        yield f"steps/{file.parent.name}/{file.name}", file


def _container_files(member: Member) -> Iterator[tuple[str, Path]]:
    folder = member.node.root / CONTAINERS_FOLDER
    for file in _below(folder):
        parts = file.relative_to(folder).parts
        if len(parts) >= 3:  # noqa: PLR2004  # application, container, file
            yield f"containers/{'/'.join(parts)}", file


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder of a node that works: what vanishes meanwhile is left out."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for file in [Path(place, name) for name in sorted(names)]:
            if file.is_file() and not file.is_symlink():
                yield file
