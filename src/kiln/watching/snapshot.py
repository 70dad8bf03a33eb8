"""What the poller of a host has seen last, as a file that the other processes read.

It is read back as something from outside: size, form, ids and owner are checked, and what cannot be used is
no snapshot. It never decides what is true, only when a process asks AWS.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from kiln.aws.watch import Node  # noqa: TC001  # msgspec reads the annotation
from kiln.identity import CLUSTER_ID, STEP_ID

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
# 500 clusters with 100 nodes each have 4 MB.
MOST_BYTES = 8 * 1024 * 1024
# A registered cluster that ListClusters did not show among the live ones.
GONE = "GONE"

_ClusterId = Annotated[str, Meta(pattern=rf"^{CLUSTER_ID.pattern}\Z")]
_StepId = Annotated[str, Meta(pattern=rf"^{STEP_ID.pattern}\Z")]


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a cluster. `state` is empty until it was polled; `events` counts those that came.

    `probed_at` is when its steps were listed last, on the monotonic clock.
    """

    state: str = ""
    steps: dict[_StepId, str] = {}
    nodes: dict[str, Node] = {}
    events: Annotated[int, Meta(ge=0)] = 0
    probed_at: float = 0.0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the poller knows. Times are of the monotonic clock, which all processes of a host share.

    `waits` is how many waits there are; `polled`: they are so many that one process polls for all, and AWS
    answers it. `failures` counts the rounds that failed since one did not. `queue_at` is when the queue of
    events may be read next, after it could not be read; `with_events`: some process can.
    """

    version: int = VERSION
    waits: Annotated[int, Meta(ge=0)] = 0
    polled: bool = False
    failures: Annotated[int, Meta(ge=0)] = 0
    next_round_at: float = 0.0
    queue_at: float = 0.0
    with_events: bool = False
    clusters: dict[_ClusterId, News] = {}


def read(file: Path) -> Snapshot | None:
    """Return the snapshot; None when there is none that can be used, whatever is wrong with it."""
    body = own_file(file)
    if body is None:
        return None
    try:
        found = msgspec.json.decode(body, type=Snapshot)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if found.version == VERSION else None


def own_file(file: Path, most_bytes: int = MOST_BYTES) -> bytes | None:
    """Return the content of a file of this user; None for a link, another user's file, or a larger one."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        seen = os.fstat(handle)
        if seen.st_uid != os.geteuid() or seen.st_size > most_bytes:
            return None
        return os.read(handle, most_bytes)
    except OSError:
        return None
    finally:
        os.close(handle)


def write(file: Path, snapshot: Snapshot) -> bool:
    """Replace the snapshot at once; return whether that was possible."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            unfinished.unlink()
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as opened:
            opened.write(msgspec.json.encode(snapshot))
        unfinished.replace(file)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        return False
    return True
