"""Spark's event logs, copied from each cluster's HDFS to a folder of the box, as EMR copies them for its UIs.

Only what is in HDFS where EMR lets Spark write it (docs/aws_facts.md 7.1). It is read by WebHDFS; neither its
answers nor the names in them are to be trusted, since a step may answer in a daemon's place.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import re
import shutil
import threading
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from emrbox.emr.default_configurations import DATANODE_HTTP_PORT, NAMENODE_HTTP_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emrbox.emr.life.model import Cluster

LOG = logging.getLogger(__name__)
HDFS_FOLDER = "/var/log/spark/apps"
TIMEOUT_SECONDS = 5.0
MOST_ANSWER_BYTES = 16_000_000
MOST_BYTES = 500_000_000  # of one file
CHUNK_BYTES = 1024 * 1024
IN_PROGRESS = ".inprogress"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")
_DATANODE = re.compile(r"(?:ip-)?(\d+)[.-](\d+)[.-](\d+)[.-](\d+)(?:\.ec2\.internal)?")


@dataclass(frozen=True)
class _Found:
    """A file in HDFS by its path below the folder. One that grows is longer than its version says."""

    path: str
    version: tuple[int, int]
    is_growing: bool


class EventLogs:
    """The event logs of all clusters, each cluster's in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)  # by cluster
        self._versions: dict[str, dict[str, tuple[int, int]]] = {}  # by cluster and path

    def folder(self, account_id: str, cluster_id: str) -> Path:
        """Return the folder with a cluster's event logs, which may not be there."""
        return self._folder / account_id / cluster_id

    def has_application(self, account_id: str, cluster_id: str, application_id: str) -> bool:
        """Whether an application has left an event log."""
        with contextlib.suppress(FileNotFoundError):
            names = (one.name for one in self.folder(account_id, cluster_id).iterdir())
            return any(re.search(rf"{re.escape(application_id)}(?!\d)", name) for name in names)
        return False

    def collect(self, cluster: Cluster) -> None:
        """Copy what is new in a cluster's HDFS; what cannot be read stays as it was copied last."""
        if not cluster.master.present:
            return
        with self._locks[cluster.id]:
            try:
                self._collect(cluster)
            except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as problem:
                LOG.warning("event logs of %s were not copied: %s", cluster.id, problem)

    def forget_account(self, account_id: str) -> None:
        """Remove the event logs of an account's clusters."""
        shutil.rmtree(self._folder / account_id, ignore_errors=True)

    def _collect(self, cluster: Cluster) -> None:
        hdfs = _WebHdfs(cluster.master.present[0].private_ip, {i.private_ip for i in cluster.present})
        found = list(_files(hdfs))
        target = self.folder(cluster.account_id, cluster.id)
        known = self._versions.setdefault(cluster.id, {})
        for file in found:
            if file.is_growing or known.get(file.path) != file.version:
                _copy(hdfs, file.path, target / file.path)
                known[file.path] = file.version
        for gone in known.keys() - {file.path for file in found}:  # renamed at the application's end
            (target / gone).unlink(missing_ok=True)
            del known[gone]


class _WebHdfs:
    """WebHDFS of one cluster, as its superuser. Only the cluster's own nodes are asked."""

    def __init__(self, name_node: str, addresses: set[str]) -> None:
        self._name_node = f"http://{name_node}:{NAMENODE_HTTP_PORT}"
        self._addresses = addresses

    def entries(self, path: str) -> list[dict[str, Any]]:
        answer = json.load(self._ask(path, "LISTSTATUS"))
        return [one for one in answer["FileStatuses"]["FileStatus"] if _NAME.fullmatch(one["pathSuffix"])]

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file at the DataNode that the NameNode names."""
        there = urlsplit(json.load(self._ask(path, "OPEN&noredirect=true"))["Location"])
        host = _DATANODE.fullmatch(there.hostname or "")
        address = ".".join(host.groups()) if host else ""
        if address not in self._addresses or there.port != DATANODE_HTTP_PORT:
            raise ValueError(f"{there.netloc[:100]} is no DataNode of the cluster")
        connection = http.client.HTTPConnection(address, DATANODE_HTTP_PORT, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", f"{there.path}?{there.query}")
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise OSError(f"{path}: status {answer.status}")
            yield answer
        finally:
            connection.close()

    def _ask(self, path: str, operation: str) -> IO[bytes]:
        url = f"{self._name_node}/webhdfs/v1{quote(path)}?user.name=hdfs&op={operation}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # of this box
            return io.BytesIO(answer.read(MOST_ANSWER_BYTES))


def _files(hdfs: _WebHdfs) -> Iterator[_Found]:
    """Yield the logs of applications: files, and the files in folders of those that are written in parts."""
    for entry in hdfs.entries(HDFS_FOLDER):
        name = entry["pathSuffix"]
        if entry["type"] == "FILE":
            yield _Found(name, _version(entry), name.endswith(IN_PROGRESS))
            continue
        inside = [one for one in hdfs.entries(f"{HDFS_FOLDER}/{name}") if one["type"] == "FILE"]
        is_growing = any(one["pathSuffix"].endswith(IN_PROGRESS) for one in inside)
        for one in inside:
            yield _Found(f"{name}/{one['pathSuffix']}", _version(one), is_growing)


def _version(entry: dict[str, Any]) -> tuple[int, int]:
    return int(entry["modificationTime"]), int(entry["length"])


def _copy(hdfs: _WebHdfs, path: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}")
    left = MOST_BYTES
    with hdfs.opened(f"{HDFS_FOLDER}/{path}") as source, part.open("wb") as file:
        while left and (data := source.read(min(CHUNK_BYTES, left))):
            file.write(data)
            left -= len(data)
    part.rename(target)
