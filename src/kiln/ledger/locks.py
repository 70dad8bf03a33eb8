"""The lock of a pipeline in S3: the runs that hold it. Whether a holder lives is judged elsewhere (emr).

One JSON object a pipeline, `<state_uri>/locks/<environment>/<pipeline>.json`, only ever written with a
condition on the version that was read. It stays when nobody holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from kiln.errors import PreflightError
from kiln.identity import NAME, RUN_ID
from kiln.ledger.store import AwsTime

if TYPE_CHECKING:
    from datetime import datetime

    from kiln.aws.effects import Effects, StoredObject
    from kiln.clock import Clock
    from kiln.identity import Identity

VERSION = 1
MOST_HOLDERS = 100
_NAME = Annotated[str, Meta(pattern=rf"^{NAME.pattern}\Z")]


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A run that holds the lock, and the command that took it: `driver_id` in the run's ledger."""

    run_id: Annotated[str, Meta(pattern=rf"^{RUN_ID.pattern}\Z")]
    owner: str = ""
    driver_id: str = ""
    taken_at: str


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    version: int = VERSION
    environment: _NAME
    pipeline: _NAME
    # A longer list was not written by Kiln. Each holder costs a call.
    holders: Annotated[tuple[Holder, ...], Meta(max_length=MOST_HOLDERS)] = ()

    def held_by(self, run_id: str) -> Holder | None:
        """Return the entry of a run."""
        return next((one for one in self.holders if one.run_id == run_id), None)

    def without(self, run_id: str) -> tuple[Holder, ...]:
        """Return the entries of the other runs."""
        return tuple(one for one in self.holders if one.run_id != run_id)


class LockUnreadableError(PreflightError):
    """The object is no lock that this version can read: nobody takes it, and nothing else depends on it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fix="see docs/operations/stuck_lock.md: check `kiln list`, then remove it")


class LockStore:
    """The lock of one pipeline in one environment."""

    def __init__(self, effects: Effects, clock: Clock, state_uri: str, identity: Identity) -> None:
        self._effects = effects
        self._whose = (identity.environment, identity.pipeline)
        self._aws_time = AwsTime(clock)
        self.uri = f"{state_uri.rstrip('/')}/locks/{identity.environment}/{identity.pipeline}.json"

    def now(self) -> datetime:
        """Return S3's time, as far as reads have shown it."""
        return self._aws_time.now()

    def read(self) -> tuple[Lock, str | None]:
        """Return the lock and its version, None when it was never taken. Raises LockUnreadableError."""
        stored = self._effects.get_object(self.uri)
        self._aws_time.learn(stored)
        if stored is None:
            environment, pipeline = self._whose
            return Lock(environment=environment, pipeline=pipeline), None
        lock = decode(stored, self.uri)
        if (lock.environment, lock.pipeline) != self._whose:
            raise LockUnreadableError(f"the lock {self.uri} is another pipeline's")
        return lock, stored.etag

    def write(self, lock: Lock, version: str | None) -> None:
        """Replace this version of the lock. Raises ConditionFailedError when it has changed."""
        self._effects.put_object(self.uri, msgspec.json.format(msgspec.json.encode(lock)), replaces=version)


def decode(stored: StoredObject, uri: str) -> Lock:
    """Read a lock document. Raises LockUnreadableError, whatever is wrong with it."""
    if not stored.is_whole:
        raise LockUnreadableError(f"the lock {uri} is too large: {stored.size} bytes")
    try:
        lock = msgspec.json.decode(stored.body, type=Lock)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise LockUnreadableError(f"the lock {uri} cannot be read: {error}") from error
    if lock.version != VERSION:
        raise LockUnreadableError(f"the lock {uri} has version {lock.version}, this kiln knows {VERSION}")
    return lock
