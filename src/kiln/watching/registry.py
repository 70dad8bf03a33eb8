"""The waits of a host: a locked file each, so that those of killed processes are known and removed."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from kiln.identity import CLUSTER_ID, STEP_ID
from kiln.watching import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.aws.watch import Watched

_MOST_BYTES = 64 * 1024
# More steps than EMR keeps active on a cluster are no wait of Kiln's (docs/aws_facts.md 1.5).
_MOST_STEPS = 256


class Registered(msgspec.Struct, frozen=True):
    """A wait as its file has it. `events`: its process reads the queue of events when it polls."""

    cluster_id: Annotated[str, Meta(pattern=rf"^{CLUSTER_ID.pattern}\Z")]
    step_ids: Annotated[
        tuple[Annotated[str, Meta(pattern=rf"^{STEP_ID.pattern}\Z")], ...], Meta(max_length=_MOST_STEPS)
    ] = ()
    events: bool = False


class Registration:
    """The file of one wait. Its lock goes with the process, however that ends."""

    def __init__(self, folder: Path, watched: Watched, *, events: bool) -> None:
        # Two containers that share the folder may have the same process ids.
        self._file = folder / f"{os.getpid()}-{secrets.token_hex(8)}.json"
        self._handle: int | None = None
        self._events = events
        self.write(watched)

    def write(self, watched: Watched) -> None:
        """Write what is waited for. Without a place to write, nobody else polls for this wait."""
        stored = Registered(watched.cluster_id, watched.step_ids[:_MOST_STEPS], self._events)
        unfinished = self._file.with_suffix(".new")
        try:
            with suppress(FileNotFoundError):
                unfinished.unlink()
            handle = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError:
            return
        try:
            # Locked before it has its name: a file without a lock is one that a killed process left.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(handle, msgspec.json.encode(stored))
            unfinished.replace(self._file)
        except OSError:
            os.close(handle)
            return
        self._close()
        self._handle = handle

    def remove(self) -> None:
        """Forget the wait."""
        with suppress(OSError):
            self._file.unlink()
        self._close()

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def registered(folder: Path) -> list[Registered]:
    """Return what processes of this host wait for; the files of dead ones are removed."""
    found = []
    for file in _files(folder):
        if _is_left(file):
            with suppress(OSError):
                file.unlink()
            continue
        body = snapshot.own_file(file, _MOST_BYTES)
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            found.append(msgspec.json.decode(body or b"", type=Registered))
    return found


def _files(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.endswith(".json")]  # noqa: PTH208  # faster
    except OSError:
        return []


def _is_left(file: Path) -> bool:
    """Return whether the process that waits has ended: nobody holds the lock."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
