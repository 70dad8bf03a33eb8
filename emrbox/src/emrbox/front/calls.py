"""The call log: a JSON line for each call with caller, operation and result. No secrets, no bodies."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from werkzeug.wrappers import Request

S3_ROOT_OPERATIONS = {"GET": "ListBuckets"}
S3_BUCKET_OPERATIONS = {
    "GET": "ListObjects",
    "PUT": "CreateBucket",
    "HEAD": "HeadBucket",
    "DELETE": "DeleteBucket",
    "POST": "DeleteObjects",
}
S3_KEY_OPERATIONS = {
    "GET": "GetObject",
    "PUT": "PutObject",
    "HEAD": "HeadObject",
    "DELETE": "DeleteObject",
    "POST": "PostObject",
}
KEPT_CALLS = 100_000  # the file has all
CLIENT_LENGTH = 200
PATTERNS = ("service", "operation", "principal", "client", "error")
ERROR_CODE = re.compile(rb'(?:<Code>|"__type": ?")(?:[^<"#]*#)?([A-Za-z0-9_.]+)')


@dataclass(frozen=True)
class Call:
    """One answered request. `milliseconds` is the time to the answer's first byte."""

    time: str
    client: str | None  # the User-Agent's names and versions
    principal: str | None
    service: str
    operation: str
    status: int
    error: str | None
    milliseconds: float


class CallLog:
    """A file of calls, one JSON document a line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = path.open("a", buffering=1)
        self._last: deque[Call] = deque(maxlen=KEPT_CALLS)

    def write(self, call: Call) -> None:
        """Append one call."""
        line = json.dumps(asdict(call))
        with self._lock:
            self._file.write(line + "\n")
            self._last.append(call)

    def page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the calls that a query asks for: newest first, `limit` at most.

        `service`, `operation`, `principal`, `client`, `error` are shell patterns; `status` is a
        number, or its first digits; `since` is an ISO 8601 time or seconds back from now.
        """
        if unknown := set(query) - {*PATTERNS, "since", "status", "limit"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        since, status = _since(query.get("since")), query.get("status", "")
        limit = query.get("limit", "100")
        if not limit.isdecimal():
            raise ValueError(f"limit: {limit!r} is not a whole number from 0 on")
        patterns = {name: query[name] for name in PATTERNS if name in query}
        with self._lock:
            calls = list(self._last)
        found = [
            asdict(call)
            for call in reversed(calls)
            if (since is None or datetime.fromisoformat(call.time) >= since)
            and str(call.status).startswith(status)
            and all(_fits(getattr(call, name), pattern) for name, pattern in patterns.items())
        ]
        return {"calls": found[: int(limit)], "found": len(found)}

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _fits(value: str | None, pattern: str) -> bool:
    """Whether a call fits a filter: `error=*` asks for the calls that have an error."""
    return value is not None and fnmatchcase(value, pattern)


def _since(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise ValueError(f"since: {text!r} is neither an ISO 8601 time nor a number of seconds") from problem
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def client_of(request: Request) -> str | None:
    """Return the client's name and version: the User-Agent's words that have both."""
    agent = request.headers.get("User-Agent", "")
    return " ".join(word for word in agent.split() if "/" in word)[:CLIENT_LENGTH] or None


def timestamp() -> str:
    """Return the time now, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def service_of(request: Request) -> str:
    """Return the service that a request was signed for; unsigned requests are taken for S3, as moto does."""
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].partition(",")[0].split("/")
    return scope[3].lower() if len(scope) == 5 else "s3"  # noqa: PLR2004  # key/date/region/service/aws4_request


def operation_of(request: Request, body: bytes) -> str:
    """Name the operation: the X-Amz-Target, the form's Action, or S3's by method and path."""
    target = request.headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2][:100]
    action = re.search(rb"(?:^|&)Action=(\w+)", body[:4096])
    if action:
        return action[1].decode()
    bucket, _, key = request.path.lstrip("/").partition("/")
    table = S3_KEY_OPERATIONS if key else S3_BUCKET_OPERATIONS if bucket else S3_ROOT_OPERATIONS
    operation = table.get(request.method, request.method)
    subresource = re.match(rb"[a-z-]+", request.query_string)  # a name only: a query may carry a signature
    return f"{operation}?{subresource[0].decode()}" if subresource and not key else operation


def error_of(body: bytes) -> str | None:
    """Find the AWS error code in the document of a refused call."""
    match = ERROR_CODE.search(body)
    return match[1].decode() if match else None
