"""Spark's event logs, copied from each cluster's HDFS to a folder of the box, as EMR copies them for its UIs.

Only what is in HDFS where EMR lets Spark write it (docs/aws_facts.md 7.1). Names in HDFS are not to be
trusted: a step may answer in the NameNode's place.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import re
import shutil
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emrbox.emr.machines.webhdfs import WebHdfs
from emrbox.nodes.network import host_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.machines.webhdfs import Entry

LOG = logging.getLogger(__name__)
HDFS_FOLDER = "/var/log/spark/apps"
MOST_BYTES = 500_000_000  # of one file
CHUNK_BYTES = 1024 * 1024
IN_PROGRESS = ".inprogress"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")


@dataclass(frozen=True)
class _Found:
    """A file in HDFS by its path below the folder. One that grows is longer than its version says."""

    path: str
    version: tuple[float, int]
    is_growing: bool


class EventLogs:
    """The event logs of all clusters, each cluster's in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)  # by cluster
        self._versions: dict[str, dict[str, tuple[float, int]]] = {}  # by cluster and path

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
            except (OSError, http.client.HTTPException) as problem:
                LOG.warning("event logs of %s were not copied: %s", cluster.id, problem)

    def forget_account(self, account_id: str) -> None:
        """Remove the event logs of an account's clusters."""
        shutil.rmtree(self._folder / account_id, ignore_errors=True)

    def _collect(self, cluster: Cluster) -> None:
        addresses = {host_name(node.private_ip): node.private_ip for node in cluster.present}
        hdfs = WebHdfs(cluster.master.present[0].private_ip, addresses.__getitem__)
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


def _files(hdfs: WebHdfs) -> Iterator[_Found]:
    """Yield the logs of applications: files, and the files in folders of those that are written in parts."""
    for entry in _entries(hdfs, HDFS_FOLDER):
        if not entry.is_folder:
            yield _Found(entry.name, _version(entry), entry.name.endswith(IN_PROGRESS))
            continue
        inside = [one for one in _entries(hdfs, f"{HDFS_FOLDER}/{entry.name}") if not one.is_folder]
        is_growing = any(one.name.endswith(IN_PROGRESS) for one in inside)
        for one in inside:
            yield _Found(f"{entry.name}/{one.name}", _version(one), is_growing)


def _entries(hdfs: WebHdfs, folder: str) -> list[Entry]:
    return [entry for entry in hdfs.entries(folder) if _NAME.fullmatch(entry.name)]


def _version(entry: Entry) -> tuple[float, int]:
    return entry.changed, entry.size


def _copy(hdfs: WebHdfs, path: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}")
    left = MOST_BYTES
    with hdfs.open(f"{HDFS_FOLDER}/{path}") as source, part.open("wb") as file:
        while left and (data := source.read(min(CHUNK_BYTES, left))):
            file.write(data)
            left -= len(data)
    part.rename(target)
