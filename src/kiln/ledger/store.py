"""The store of a run's ledger in S3: intents, results, times and the verdict. AWS's own answers come first.

One JSON object a run, `<state_uri>/ledger/<environment>/<pipeline>/<run_id>.json`, only ever written with a
condition on the version that was read, so that two writers cannot lose each other's lines.

Heartbeats are written and judged by S3's time, which each read brings along: the clocks of two machines may
differ by minutes.
"""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kiln import paths
from kiln.clock import timestamp
from kiln.errors import ConditionFailedError, FencedError, KilnError, StepCancelledError, UnansweredError
from kiln.ledger.schema import Event, LedgerUnreadableError, Run, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kiln.aws.effects import Effects, StoredObject
    from kiln.clock import Clock
    from kiln.identity import Identity

_WRITE_TRIES = 10


def folder(state_uri: str, environment: str, pipeline: str = "") -> str:
    """Return the prefix of an environment's (or a pipeline's) ledgers."""
    return f"{state_uri.rstrip('/')}/ledger/{environment}/{pipeline + '/' if pipeline else ''}"


class AwsTime:
    """S3's time, as far as reads have shown how it differs from this machine's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()

    def learn(self, stored: StoredObject | None) -> None:
        """Compare the two clocks."""
        if stored is not None and stored.read_at is not None:
            self._ahead = stored.read_at - self._clock.now()

    def now(self) -> datetime:
        """Return S3's time; this machine's before the first read that shows it."""
        return self._clock.now() + self._ahead


class Ledger:
    """The ledger of one run. With a `driver`, intents are only written while that driver's entry is there."""

    def __init__(self, effects: Effects, clock: Clock, state_uri: str, identity: Identity) -> None:
        self._effects = effects
        self._clock = clock
        self.state_uri = state_uri
        self.identity = identity
        self.driver = ""
        self._aws_time = AwsTime(clock)
        self.uri = f"{folder(state_uri, identity.environment, identity.pipeline)}{identity.run_id}.json"

    def on(self, effects: Effects) -> Ledger:
        """Return the same ledger on the terms of other effects: another deadline, a teardown."""
        other = copy.copy(self)
        other._effects = effects  # noqa: SLF001  # a copy of itself
        return other

    def of_driver(self, driver: str) -> Ledger:
        """Return the same ledger for what this driver (a Driver's id) means to do."""
        other = copy.copy(self)
        other.driver = driver
        return other

    def aws_now(self) -> datetime:
        """Return S3's time, by which heartbeats are written and judged."""
        return self._aws_time.now()

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
        stored = self._get()
        if stored is None:
            return None, None
        return self._decode(stored), stored.etag

    def _get(self) -> StoredObject | None:
        stored = self._effects.get_object(self.uri)
        self._aws_time.learn(stored)
        return stored

    def _decode(self, stored: StoredObject) -> Run:
        run = decode(stored, self.uri)
        mine = (self.identity.environment, self.identity.pipeline, self.identity.run_id)
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
            stored = self._get()
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

    def intend(self, change: Callable[[Run], None]) -> Run:
        """Write that something will be begun, on the condition that this driver may still do so.

        Raises FencedError (17) when another command has taken this one for dead, StepCancelledError (15) when
        somebody has asked for the end of the run.
        """

        def checked(run: Run) -> None:
            self.check_driver(run)
            change(run)

        return self.update(checked)

    def check_driver(self, run: Run) -> None:
        """Raise FencedError or StepCancelledError unless this driver may still begin something."""
        if self.is_fenced(run):
            raise self.fenced()
        if run.cancel_requested_at:
            raise cancelled(run)

    def is_fenced(self, run: Run) -> bool:
        """Return whether this driver's entry is gone: another command has taken it for dead.

        A ledger that somebody has removed says nothing about who works on the run.
        """
        return bool(self.driver and run.updated_at) and all(one.id != self.driver for one in run.drivers)

    def fenced(self) -> FencedError:
        """Return the error of a driver whose entry is gone."""
        error = FencedError(
            f"another command works on run {self.identity.run_id}: it has taken this one for dead, "
            "whose heartbeat had been missing for minutes",
            fix="nothing was ended; `kiln status` shows who works on the run now",
        )
        error.run_id = self.identity.run_id
        return error

    def _new(self) -> Run:
        identity = self.identity
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


def cancelled(run: Run) -> StepCancelledError:
    """Return the error for a run whose end somebody has asked for."""
    return StepCancelledError(
        f"run {run.run_id} was cancelled at {run.cancel_requested_at}: nothing more is begun in it",
        fix=paths.command("resume", run.pipeline, "--env", run.environment, "--run-id", run.run_id),
    )
