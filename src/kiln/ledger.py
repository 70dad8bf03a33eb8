"""A run's memory in S3: what was meant, what was done, when, and the verdict. AWS is the truth.

One JSON object a run, `<state_uri>/ledger/<environment>/<pipeline>/<run_id>.json`, only ever written with a
condition on the version that was read, so that two writers cannot lose each other's lines.

What is read back is checked in `decode`: form, sizes, ids, and that it is this run's. Texts in it (messages,
names of steps) stay what somebody has written.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from kiln.clock import timestamp
from kiln.errors import ConditionFailedError, KilnError, PreflightError, ThrottledError, UnansweredError
from kiln.identity import CLUSTER_ID, STEP_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.clock import Clock
    from kiln.effects import Effects, StoredObject
    from kiln.identity import Identity

VERSION = 1
ClusterId = Annotated[str, Meta(pattern=rf"^{CLUSTER_ID.pattern}\Z")]
StepId = Annotated[str, Meta(pattern=rf"^{STEP_ID.pattern}\Z")]
# More than any run makes: longer lists were not written by Kiln. Each attempt and step may cost a call.
_MOST_ATTEMPTS, _MOST_STEPS, _MOST = Meta(max_length=100), Meta(max_length=1000), Meta(max_length=10_000)
# How a launch or a step ended that has had no effect, or none that showed.
REFUSED, NOT_FOUND = "REFUSED", "NOT_FOUND"
_RETENTION = timedelta(days=60)
_WRITE_TRIES = 10
_PAUSE_SECONDS = 0.5


class Attempt(msgspec.Struct, kw_only=True):
    """One launch of a cluster. Without cluster_id it is an intent only: it may or may not have happened."""

    intent_at: str
    cluster_id: ClusterId | None = None
    launched_at: str | None = None
    ended_at: str | None = None
    end_state: str | None = None


class StepEntry(msgspec.Struct, kw_only=True):
    """One addition of a step to a cluster. Without a step_id it is an intent only."""

    name: str
    cluster_id: ClusterId
    intent_at: str
    step_id: StepId | None = None
    state: str | None = None
    seconds: float | None = None


class Phase(msgspec.Struct, kw_only=True):
    """A part of a run. `status` is ok or failed."""

    name: str
    status: str
    seconds: float


class Event(msgspec.Struct, kw_only=True):
    """Something that happened."""

    at: str
    kind: str
    data: dict[str, Any] = {}


class Run(msgspec.Struct, kw_only=True):
    """The whole document."""

    version: int = VERSION
    environment: str
    pipeline: str
    run_id: str
    owner: str = ""
    created_at: str
    updated_at: str = ""
    data_date: str | None = None
    verdict: str = "running"
    exit_code: int | None = None
    message: str = ""
    attempts: Annotated[list[Attempt], _MOST_ATTEMPTS] = []
    steps: Annotated[list[StepEntry], _MOST_STEPS] = []
    phases: Annotated[list[Phase], _MOST] = []
    outputs: Annotated[list[dict[str, Any]], _MOST] = []
    events: Annotated[list[Event], _MOST] = []

    @property
    def launch_is_open(self) -> bool:
        """Tell whether the last launch was meant but its outcome never recorded."""
        last = self.attempts[-1] if self.attempts else None
        return last is not None and last.cluster_id is None and last.end_state is None

    @property
    def cluster_ids(self) -> list[str]:
        """Return the ids of the clusters that were launched, oldest first."""
        return list(dict.fromkeys(one.cluster_id for one in self.attempts if one.cluster_id))

    def expected_ids(self, now: datetime) -> list[str]:
        """Return the ids of the clusters that AWS must know: launched, end not recorded, not too old.

        EMR forgets ended clusters after two months (Management Guide, "View cluster status").
        """
        young = timestamp(now - _RETENTION)
        attempts = [one for one in self.attempts if one.cluster_id and one.ended_at is None]
        return [one.cluster_id for one in attempts if one.cluster_id and one.intent_at > young]


class LedgerUnreadableError(PreflightError):
    """The object is there but is no ledger that this version understands. The tags still tell a lot."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fix="correct or remove that object; status and terminate work without it")


def folder(state_uri: str, environment: str, pipeline: str = "") -> str:
    """Return the prefix of an environment's (or a pipeline's) ledgers."""
    return f"{state_uri.rstrip('/')}/ledger/{environment}/{pipeline + '/' if pipeline else ''}"


class Ledger:
    """The ledger of one run."""

    def __init__(self, effects: Effects, clock: Clock, state_uri: str, identity: Identity) -> None:
        self._effects = effects
        self._clock = clock
        self._identity = identity
        self.uri = f"{folder(state_uri, identity.environment, identity.pipeline)}{identity.run_id}.json"

    def now(self) -> str:
        """Return the time as the ledger writes it."""
        return timestamp(self._clock.now())

    def age_seconds(self, moment: str) -> float:
        """Return how long ago a time of the ledger is; a time that cannot be read is long ago."""
        try:
            return (self._clock.now() - datetime.fromisoformat(moment)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return _RETENTION.total_seconds()

    def read(self) -> Run | None:
        """Return the run, or None when nothing was ever written. Raises LedgerUnreadableError."""
        return self._read()[0]

    def _read(self) -> tuple[Run | None, str | None]:
        stored = self._effects.get_object(self.uri)
        if stored is None:
            return None, None
        return self._decode(stored), stored.etag

    def _decode(self, stored: StoredObject) -> Run:
        run = decode(stored, self.uri)
        mine = (self._identity.environment, self._identity.pipeline, self._identity.run_id)
        if (run.environment, run.pipeline, run.run_id) != mine:
            raise LedgerUnreadableError(f"the ledger {self.uri} is another run's")
        return run

    def read_if_possible(self) -> Run | None:
        """Return the run, or None also when it cannot be read: status and terminate go on by tags."""
        try:
            return self.read()
        except KilnError:
            return None

    def update(self, change: Callable[[Run], None]) -> Run:
        """Read, change, and write on the condition that nobody else wrote meanwhile; else read again."""
        written: bytes | None = None
        for _ in range(_WRITE_TRIES):
            stored = self._effects.get_object(self.uri)
            if stored is not None and stored.body == written:
                # The answer to our write was lost, the write was not.
                return self._decode(stored)
            run = self._new() if stored is None else self._decode(stored)
            change(run)
            run.updated_at = self.now()
            written = encode(run)
            try:
                self._effects.put_object(self.uri, written, replaces=stored.etag if stored else None)
            except ConditionFailedError:
                continue
            except (UnansweredError, ThrottledError):
                self._clock.wait(_PAUSE_SECONDS, threading.Event())
                continue
            return run
        raise UnansweredError(
            f"the ledger {self.uri} could not be written in {_WRITE_TRIES} tries",
            code="LedgerContention",
            operation="PutObject",
        )

    def _new(self) -> Run:
        identity = self._identity
        return Run(
            environment=identity.environment,
            pipeline=identity.pipeline,
            run_id=identity.run_id,
            owner=identity.owner,
            created_at=self.now(),
        )

    def note(self, kind: str, **data: Any) -> None:
        """Add an event; a ledger that cannot be written never stops what it only remembers."""
        self.try_update(lambda run: run.events.append(Event(at=self.now(), kind=kind, data=data)))

    def try_update(self, change: Callable[[Run], None]) -> bool:
        """Update, and say whether it worked instead of raising."""
        try:
            self.update(change)
        except KilnError:
            return False
        return True


def encode(run: Run) -> bytes:
    """Write a ledger document. Halves of surrogate pairs, which UTF-8 cannot hold, become question marks."""
    try:
        document = msgspec.json.encode(run)
    except UnicodeEncodeError:
        document = msgspec.json.encode(_encodable(msgspec.to_builtins(run)))
    return msgspec.json.format(document, indent=1)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    return value


def decode(stored: StoredObject, uri: str) -> Run:
    """Read a ledger document. Raises LedgerUnreadableError, whatever is wrong with it."""
    if not stored.is_whole:
        raise LedgerUnreadableError(f"the ledger {uri} is too large: {stored.size} bytes")
    try:
        run = msgspec.json.decode(stored.body, type=Run)
    # Deep nesting, text that is no UTF-8, numbers out of range: msgspec has an error of its own for the rest.
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise LedgerUnreadableError(f"the ledger {uri} cannot be read: {error}") from error
    if run.version != VERSION:
        raise LedgerUnreadableError(f"the ledger {uri} has version {run.version}, this kiln knows {VERSION}")
    return run
