"""Which messages about a run were sent: the record by which each is sent at most once.

One JSON object a run, `<state_uri>/notifications/<environment>/<pipeline>/<run_id>.json`, only ever written
with a condition on the version that was read. It is no part of the ledger: a command that was refused before
its run had a ledger is reported too, and nobody may take that run for one that exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

import msgspec
from msgspec import Meta

from kiln.clock import timestamp
from kiln.errors import ConditionFailedError, PreflightError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.effects import Effects
    from kiln.clock import Clock
    from kiln.identity import Identity

VERSION = 1
# A run has a few; the oldest are dropped.
_MOST = 1000
_WRITE_TRIES = 10
State = Literal["intended", "sent", "not_sent", "unknown"]


class Notice(msgspec.Struct, kw_only=True):
    """A message to one row of the settings about one event (`key`).

    `intended` is written before it is sent: whoever finds that does not know whether it was. `not_sent` is
    certain. `token` is another one for each sender, so that it knows its own entry again.
    """

    key: str
    row: str
    event: str
    at: str
    token: str
    state: State = "intended"


class Notices(msgspec.Struct, kw_only=True):
    """The whole document."""

    version: int = VERSION
    environment: str
    pipeline: str
    run_id: str
    notices: Annotated[list[Notice], Meta(max_length=_MOST)] = []


class NoticesUnreadableError(PreflightError):
    """The object is no record that this version can read: nothing is sent, it may have been sent already."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fix="correct or remove that object")


class NoticeStore:
    """The record of one run."""

    def __init__(self, effects: Effects, clock: Clock, state_uri: str, identity: Identity) -> None:
        self._effects = effects
        self._clock = clock
        self._identity = identity
        self.uri = (
            f"{state_uri.rstrip('/')}/notifications/{identity.environment}/{identity.pipeline}/"
            f"{identity.run_id}.json"
        )

    def read(self) -> list[Notice]:
        """Return the entries, oldest first. Raises NoticesUnreadableError and errors of AWS."""
        return self._read()[0].notices

    def claim(self, key: str, row: str, event: str) -> Notice | None:
        """Write the intent to send a message, and return it; None when another command has sent it.

        An entry of a message that certainly was not sent is replaced. Raises NoticesUnreadableError and
        errors of AWS: then the message must not be sent.
        """
        mine = Notice(key=key, row=row, event=event, at=timestamp(self._clock.now()), token=uuid4().hex)
        result: Notice | None = mine

        def change(document: Notices) -> bool:
            nonlocal result
            there = [one for one in document.notices if (one.key, one.row) == (key, row)]
            if any(one.token == mine.token for one in there):
                # A write whose answer was lost has had its effect.
                return False
            if any(one.state != "not_sent" for one in there):
                result = None
                return False
            kept = [one for one in document.notices if one not in there]
            document.notices = [*kept, mine][-_MOST:]
            return True

        self._update(change)
        return result

    def settle(self, notice: Notice, state: State) -> None:
        """Write what became of a claimed message."""

        def change(document: Notices) -> bool:
            for one in document.notices:
                if one.token == notice.token:
                    one.state = state
                    return True
            return False

        self._update(change)

    def _update(self, change: Callable[[Notices], bool]) -> None:
        """Read, change, and write on the condition that nobody else wrote meanwhile; else read again."""
        for _ in range(_WRITE_TRIES):
            document, version = self._read()
            if not change(document):
                return
            try:
                self._effects.put_object(self.uri, msgspec.json.encode(document), replaces=version)
            except ConditionFailedError:
                continue
            return
        raise UnansweredError(
            f"the record {self.uri} could not be written in {_WRITE_TRIES} tries",
            code="LedgerContention",
            operation="PutObject",
        )

    def _read(self) -> tuple[Notices, str | None]:
        stored = self._effects.get_object(self.uri)
        mine = self._identity
        whose = (mine.environment, mine.pipeline, mine.run_id)
        if stored is None:
            return Notices(environment=whose[0], pipeline=whose[1], run_id=whose[2]), None
        if not stored.is_whole:
            raise NoticesUnreadableError(f"the record {self.uri} is too large: {stored.size} bytes")
        try:
            found = msgspec.json.decode(stored.body, type=Notices)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
            raise NoticesUnreadableError(f"the record {self.uri} cannot be read: {error}") from error
        if found.version != VERSION or (found.environment, found.pipeline, found.run_id) != whose:
            raise NoticesUnreadableError(f"the record {self.uri} is another run's or another version's")
        return found, stored.etag
