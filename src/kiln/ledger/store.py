"""The store of a run's ledger in S3: intents, results, times and the verdict. AWS's own answers come first.

One JSON object a run, `<state_uri>/ledger/<environment>/<pipeline>/<run_id>.json`, only ever written with a
condition on the version that was read, so that two writers cannot lose each other's lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kiln.clock import timestamp
from kiln.errors import ConditionFailedError, KilnError, UnansweredError
from kiln.ledger.schema import Event, LedgerUnreadableError, Run, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.effects import Effects, StoredObject
    from kiln.clock import Clock
    from kiln.identity import Identity

_WRITE_TRIES = 10


def folder(state_uri: str, environment: str, pipeline: str = "") -> str:
    """Return the prefix of an environment's (or a pipeline's) ledgers."""
    return f"{state_uri.rstrip('/')}/ledger/{environment}/{pipeline + '/' if pipeline else ''}"


class Ledger:
    """The ledger of one run."""

    def __init__(self, effects: Effects, clock: Clock, state_uri: str, identity: Identity) -> None:
        self._effects = effects
        self._clock = clock
        self._state_uri = state_uri
        self._identity = identity
        self.uri = f"{folder(state_uri, identity.environment, identity.pipeline)}{identity.run_id}.json"

    def on(self, effects: Effects) -> Ledger:
        """Return the same ledger on the terms of other effects: another deadline, a teardown."""
        return Ledger(effects, self._clock, self._state_uri, self._identity)

    def now(self) -> str:
        """Return the time as the ledger writes it."""
        return timestamp(self._clock.now())

    def age_seconds(self, moment: str) -> float:
        """Return how long ago a time of the ledger is; a time that cannot be read is long ago."""
        return Run.age_of(moment, self._clock.now())

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
                # A write whose answer was lost has arrived late, and met its own repetition.
                return self._decode(stored)
            run = self._new() if stored is None else self._decode(stored)
            change(run)
            run.updated_at, run.write_id = self.now(), uuid4().hex
            written = encode(run)
            try:
                self._effects.put_object(self.uri, written, replaces=stored.etag if stored else None)
            except ConditionFailedError:
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
