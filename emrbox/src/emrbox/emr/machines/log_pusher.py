"""Logs to the log URI, gzipped, in EMR's layout (docs/aws_facts.md 3.2), by the nodes' role."""

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
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from emrbox.emr.life.model import Cluster
    from emrbox.emr.machines.log_layout import Log

LOG = logging.getLogger(__name__)
MOST_BYTES = 100_000_000  # of one log: what is longer is cut
CHUNK_BYTES = 1_000_000
GZIP = 16 + zlib.MAX_WBITS
HOUR = "%Y-%m-%d-%H"


@dataclass(frozen=True)
class _Pushed:
    """What stands in S3 of a log: its bytes from `start` to `size`, as they were in an hour."""

    start: int
    size: int
    changed: float
    hour: str


class LogPusher:
    """Copies what has changed since the last time. A cluster without a log URI has no logs in S3.

    A log that goes on growing in another hour is cut: what stood in `name.gz` is `name.YYYY-MM-DD-HH.gz` from
    then on, by the hour in which it was pushed, and `name.gz` has what has come since. `late` returns for
    each file the seconds after which it appears there; 0 is at once.
    """

    def __init__(
        self,
        cluster: Cluster,
        endpoint_url: str,
        now: Callable[[], datetime],
        late: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._now = now
        self._late = late
        self._cluster = cluster
        self._endpoint_url = endpoint_url
        self._bucket, self._prefix = _location(cluster.log_uri)
        self._pushed: dict[str, _Pushed] = {}
        key = cluster.request.get("LogEncryptionKmsKeyId")
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        self._client: Any = None
        self._lock = threading.Lock()

    def uri(self, key: str) -> str | None:
        """Return the s3:// address of a key below the cluster's logs, or None without a log URI."""
        return f"s3://{self._bucket}/{self._prefix}{self._cluster.id}/{key}" if self._bucket else None

    def push(self, logs: Iterable[Log]) -> None:
        """Push those of some logs that have changed; one that cannot be pushed does not keep the others."""
        if not self._bucket:
            return
        with self._lock:
            for log in logs:
                # A node's file names are bytes; those that are no text reach S3 escaped.
                key = log.key.encode(errors="backslashreplace").decode()
                try:
                    self._push_log(key, log)
                except (BotoCoreError, ClientError, OSError) as problem:
                    LOG.warning("log %s of %s was not pushed: %s", key, self._cluster.id, problem)

    def _push_log(self, key: str, log: Log) -> None:
        hour, before = self._now().strftime(HOUR), self._pushed.get(key)
        if before and (before.size, before.changed) == (log.size, log.changed):
            return
        start = 0
        if before and log.size >= before.size:  # a smaller one is another file
            start = before.start
            if log.is_rotated and before.hour != hour and log.size > before.size > start:
                self._put(f"{key}.{before.hour}", log, start, before.size)
                start = before.size
        self._put(key, log, start, log.size)
        self._pushed[key] = _Pushed(start, log.size, log.changed, hour)

    def _put(self, key: str, log: Log, start: int, end: int) -> None:
        """Put a part of a log. What is packed on the node already stays as it is."""
        is_packed = key.endswith(".gz")
        name = f"{self._prefix}{self._cluster.id}/{key}{'' if is_packed else '.gz'}"
        body = _part(log, start, end, None if is_packed else zlib.compressobj(1, wbits=GZIP))
        if seconds := self._late():
            timer = threading.Timer(seconds, self._send, (name, body))
            timer.daemon = True
            timer.start()
        else:
            self._send(name, body)

    def _send(self, name: str, body: bytes) -> None:
        if self._client is None:
            arn = role_arn(self._cluster.role_name, self._cluster.account_id)
            session = self._cluster.primary.ec2_id
            self._client = client_as("s3", arn, session, self._endpoint_url)
        self._client.put_object(Bucket=self._bucket, Key=name, Body=body, **self._encryption)


def _location(log_uri: str | None) -> tuple[str, str]:
    bucket, _, prefix = (log_uri or "").partition("://")[2].partition("/")
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _part(log: Log, start: int, end: int, packing: Any) -> bytes:
    """Return the bytes of a log from `start` to `end`, at most MOST_BYTES, packed if `packing` is given."""
    parts, left = [], min(end - start, MOST_BYTES)
    with log.open() as file:
        if start:
            file.seek(start)
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            parts.append(packing.compress(chunk) if packing else chunk)
            left -= len(chunk)
    return b"".join([*parts, packing.flush()] if packing else parts)
