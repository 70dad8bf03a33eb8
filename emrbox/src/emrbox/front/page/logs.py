"""Logs for the status page, as text: files on nodes as they grow, objects below a cluster's log URI."""

from __future__ import annotations

import json
import os
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.s3.models import s3_backends

from emrbox.aws.auth import PARTITION
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from emrbox.config import BoxConfig
    from emrbox.emr.life.model import Cluster

Document = dict[str, Any]
LOG_ROOT = "/mnt/var/log"
MOST_FILES = 400
MOST_BYTES = 200_000
MOST_CALLS = 200
CALL_BYTES = 100_000
SUBMITTED = re.compile(r"Submitted application (application_\d+_\d+)")
GZIP = 16 + zlib.MAX_WBITS


def listing(config: BoxConfig, cluster: Cluster) -> Document:
    """Return the logs that there are: by node, newest first, and in S3."""
    with cluster.lock:
        instances = [
            (group.role, instance.ec2_id)
            for group in cluster.groups
            for instance in group.instances
            if instance.ec2_id
        ]
    nodes = [
        {"instance": instance, "role": role, "files": found}
        for role, instance in instances
        if (found := _node_files(_tree(config, instance)))
    ]
    return {"nodes": nodes, "stored": _stored(cluster)}


def node_log(config: BoxConfig, cluster: Cluster, instance: str, path: str) -> Document:
    """Return the end of a file below /mnt/var/log of one of the cluster's nodes."""
    with cluster.lock:
        known = {one.ec2_id for one in cluster.instances if one.ec2_id}
    if instance not in known:
        raise ValueError("the cluster has no such instance")
    try:
        # A link in the node must not lead out of its logs.
        with _tree(config, instance).open_below(LOG_ROOT, path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_BYTES))
            data = file.read(MOST_BYTES)
    except OSError as problem:
        raise ValueError(f"{path}: {problem.strerror}") from problem
    return _text(data, cut="start" if size > MOST_BYTES else None)


def applications(config: BoxConfig, cluster: Cluster, step_id: str) -> list[str]:
    """Return the YARN applications that a step has submitted, by its stderr on the primary node."""
    found: list[str] = []
    for instance in cluster.master.instances:
        with suppress(ValueError):
            text = node_log(config, cluster, instance.ec2_id, f"hadoop/steps/{step_id}/stderr")["text"]
            found += SUBMITTED.findall(text)
    return list(dict.fromkeys(found))


def stored_log(cluster: Cluster, key: str) -> Document:
    """Return an object below the cluster's log URI, unpacked when it is gzip."""
    bucket, prefix = _place(cluster)
    if not bucket or not key.startswith(prefix):
        raise ValueError("not below the cluster's log URI")
    found = None
    with suppress(ServiceException):
        found = s3_backends[cluster.account_id][PARTITION].get_object(bucket, key)
    if found is None:
        raise ValueError("there is no such object")
    data = bytes(found.value)
    if key.endswith(".gz"):
        unpack = zlib.decompressobj(GZIP)
        try:
            data, more = unpack.decompress(data, MOST_BYTES), bool(unpack.unconsumed_tail)
        except zlib.error as problem:
            raise ValueError(f"not gzip: {problem}") from problem
        return _text(data, cut="end" if more else None)
    return _text(data[:MOST_BYTES], cut="end" if len(data) > MOST_BYTES else None)


def last_calls(file: Path) -> list[Document]:
    """Return the last lines of the call log, newest first."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - CALL_BYTES))
            lines = stream.read().splitlines()
    except OSError:
        return []
    calls = []
    for line in reversed(lines[-MOST_CALLS - 1 :]):
        with suppress(ValueError):  # the first may be cut, the last unfinished
            calls.append(json.loads(line))
    return calls[:MOST_CALLS]


def _tree(config: BoxConfig, instance: str) -> Tree:
    return Tree(config.nodes_folder / instance / "root")


def _node_files(tree: Tree) -> list[Document]:
    found = [file for file in tree.files(LOG_ROOT) if file.size]
    found.sort(key=lambda file: (file.changed, file.path), reverse=True)
    return [{"path": file.path, "size": file.size} for file in found[:MOST_FILES]]


def _stored(cluster: Cluster) -> list[Document]:
    bucket, prefix = _place(cluster)
    backend = s3_backends[cluster.account_id][PARTITION]
    if bucket not in backend.buckets:
        return []
    # A copy in one step: calls are added while this reads.
    keys = list(backend.buckets[bucket].keys.values())
    found = [key for key in keys if key.name.startswith(prefix)]
    found.sort(key=lambda key: key.name)
    return [{"key": key.name, "size": key.size} for key in found[-MOST_FILES:]]


def _place(cluster: Cluster) -> tuple[str, str]:
    """Return the bucket and the prefix of the cluster's own logs; without a log URI two empty texts."""
    if not cluster.log_uri:
        return "", ""
    bucket, _, prefix = cluster.log_uri.partition("://")[2].partition("/")
    return bucket, f"{prefix.rstrip('/')}/{cluster.id}/".lstrip("/")


def _text(data: bytes, *, cut: str | None) -> Document:
    return {"text": data.decode(errors="replace"), "cut": cut}
