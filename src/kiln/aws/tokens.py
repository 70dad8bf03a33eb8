"""Token buckets that all processes of a host share for an account: a small file with a lock.

A file, not the leader of kiln.watching: launches, steps and terminations are calls of every process, also of
those that wait for nothing. Each bucket is one number, the time at which it is full again (the generic cell
rate algorithm), on the monotonic clock, which all processes of a host share.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from kiln.aws.quotas import BUCKETS, CALLS, EVERY
from kiln.errors import ShareUsedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kiln.clock import Clock

_MOST_BYTES = 64 * 1024
_LOCK_TRIES, _LOCK_SECONDS = 40, 0.025


class Tokens(Protocol):
    """What limits the rate of calls."""

    def take(self, operation: str, most_seconds: float) -> float:
        """Take a token of each bucket of a call; return for how many seconds the call must wait.

        Raises ShareUsedError, and takes none, when that would be longer than `most_seconds`.
        """

    def charge(self, operation: str, pages: int) -> None:
        """Take tokens for pages that a call has read already; later calls wait for them."""


@dataclass(frozen=True)
class SharedTokens:
    """`Tokens` in a file. A file that cannot be used limits nothing: AWS itself still does."""

    file: Path
    clock: Clock

    def take(self, operation: str, most_seconds: float) -> float:
        """Take tokens; see Tokens."""
        names = _buckets_of(operation)
        if not names:
            return 0.0
        with self._full_at() as full_at:
            now = self.clock.monotonic()
            seconds = max(_wait_of(name, full_at, now) for name in names)
            if seconds > max(0.0, most_seconds):
                raise ShareUsedError(
                    f"Kiln's processes on this host have used their share of EMR's quota for {names[-1]}: "
                    f"the next call may be made in {seconds:.0f} s"
                )
            _use(names, full_at, now, 1)
        return seconds

    def charge(self, operation: str, pages: int) -> None:
        """Take tokens for pages; see Tokens."""
        names = _buckets_of(operation)
        if names and pages > 0:
            with self._full_at() as full_at:
                _use(names, full_at, self.clock.monotonic(), pages)

    @contextmanager
    def _full_at(self) -> Iterator[dict[str, float]]:
        """Give the times at which the buckets are full again; what the block changes is written back."""
        handle = self._locked()
        full_at = _read(handle) if handle is not None else {}
        try:
            yield full_at
            if handle is not None:
                _write(handle, full_at)
        finally:
            if handle is not None:
                os.close(handle)

    def _locked(self) -> int | None:
        """Return the open, locked file; None when it cannot be had: its owner may be a stopped process."""
        try:
            handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError:
            return None
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.clock.wait(_LOCK_SECONDS, threading.Event())
            else:
                return handle
        os.close(handle)
        return None


def _buckets_of(operation: str) -> tuple[str, ...]:
    calls = CALLS.get(operation, ())
    return (EVERY, *calls) if calls else ()


def _wait_of(name: str, full_at: dict[str, float], now: float) -> float:
    bucket = BUCKETS[name]
    return max(0.0, _debt(name, full_at, now) - (bucket.most - 1) * bucket.seconds)


def _debt(name: str, full_at: dict[str, float], now: float) -> float:
    """Return in how many seconds a bucket is full again. A time of before a restart counts as the past."""
    bucket, left = BUCKETS[name], full_at.get(name, 0.0) - now
    return left if 0.0 < left <= _most_debt(bucket.seconds, bucket.most) else 0.0


def _most_debt(seconds: float, most: float) -> float:
    """Return more than any use leads to: a thousand calls that wait, on top of an empty bucket."""
    return (most + 1000) * seconds


def _use(names: tuple[str, ...], full_at: dict[str, float], now: float, count: int) -> None:
    for name in names:
        full_at[name] = now + _debt(name, full_at, now) + count * BUCKETS[name].seconds


def _read(handle: int) -> dict[str, float]:
    """Return what the file holds; full buckets when that is damaged."""
    try:
        found = msgspec.json.decode(os.pread(handle, _MOST_BYTES, 0), type=dict[str, float])
    except (msgspec.MsgspecError, ValueError, RecursionError, OSError):
        return {}
    return {name: moment for name, moment in found.items() if name in BUCKETS}


def _write(handle: int, full_at: dict[str, float]) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, msgspec.json.encode(full_at), 0)
    except OSError:  # a full disk: the next call finds full buckets
        return
