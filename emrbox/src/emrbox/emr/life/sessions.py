"""The Spark Connect sessions of one cluster: how they start, when they are idle, how they end."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from emrbox.emr.life import states
from emrbox.emr.life.procedures import Completion, Procedure
from emrbox.emr.life.states import SessionState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.context import Context
    from emrbox.emr.life.layer import SessionRun
    from emrbox.emr.life.model import Session

LOG = logging.getLogger(__name__)
# The words are a guess.
BY_USER = "The session was terminated by user request."
BY_CLUSTER = "The session was terminated with its cluster."
BY_IDLENESS = "The session was terminated after being idle for {} minutes."


class Sessions:
    """Runs a cluster's sessions and keeps their records."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster
        self._runs: dict[str, SessionRun] = {}  # by session id
        self._calls: dict[str, int] = {}  # how many are under way, by session id

    def run(self) -> None:
        """Start what was submitted, and end what has been idle for too long."""
        for session in self._cluster.sessions:
            if session.status.state is SessionState.SUBMITTED:
                session.move(SessionState.STARTING, self._context.now)
                self._context.procedures.begin(self._run(session))
            elif (end := _idle_end(session)) is not None and end <= self._context.now:
                self.terminate(session, self._context.now, BY_IDLENESS.format(session.idle_minutes))

    def moments(self) -> list[datetime]:
        """Return when sessions end if nobody uses them."""
        return [end for session in self._cluster.sessions if (end := _idle_end(session)) is not None]

    def _run(self, session: Session) -> Procedure[None]:
        end = Completion[str]()
        try:
            start = partial(self._context.layer.start_session, session, partial(self._report, end))
            run = yield from self._context.do(f"start of session {session.id}", start)
            self._began(session, run)
            if not end.is_reported:
                yield end
            why = end.value()
        except Exception as problem:
            LOG.exception("session %s of %s did not start", session.id, self._cluster.id)
            why = str(problem)[:1000]
        self._runs.pop(session.id, None)
        self._finish(session, why)

    def _report(self, end: Completion[str], why: str) -> None:
        end.succeed(why)
        self._cluster.wake()

    def _began(self, session: Session, run: SessionRun) -> None:
        """Let a session be used; what was terminated meanwhile ends now."""
        if session.status.state is not SessionState.STARTING:
            run.stop()
            return
        self._runs[session.id] = run
        session.server, session.secret = run.server, run.secret
        session.move(SessionState.STARTED, self._context.now)
        session.move(SessionState.IDLE, self._context.now)

    def _finish(self, session: Session, why: str) -> None:
        state = session.status.state
        if state is SessionState.TERMINATING:
            session.move(SessionState.TERMINATED, self._context.now, session.status.reason.message)
        elif state not in states.SESSION_ENDED:
            session.move(SessionState.FAILED, self._context.now, why)

    def terminate(self, session: Session, now: datetime, why: str = BY_USER) -> None:
        """End a session; with the lock held. One that is ending or over stays as it is."""
        state = session.status.state
        if state is SessionState.TERMINATING or state in states.SESSION_ENDED:
            return
        session.move(SessionState.TERMINATING, now, why)
        if state is SessionState.SUBMITTED:  # nothing runs yet
            session.move(SessionState.TERMINATED, now, why)
        elif (run := self._runs.get(session.id)) is not None:
            run.stop()
        self._cluster.wake()

    def close(self) -> None:
        """End every session: the cluster ends."""
        for session in self._cluster.active_sessions:
            self.terminate(session, self._context.now, BY_CLUSTER)
            if session.status.state is SessionState.TERMINATING:
                session.move(SessionState.TERMINATED, self._context.now, session.status.reason.message)

    def note_calls(self, session: Session, change: int, now: datetime) -> None:
        """Count the calls under way: a session is busy while there are any. With the lock held."""
        calls = self._calls[session.id] = self._calls.get(session.id, 0) + change
        wanted = SessionState.BUSY if calls else SessionState.IDLE
        if (
            session.status.state in {SessionState.IDLE, SessionState.BUSY}
            and session.status.state is not wanted
        ):
            session.move(wanted, now)
            self._cluster.wake()


def _idle_end(session: Session) -> datetime | None:
    """Return when an idle session ends; None for others."""
    if session.status.state is not SessionState.IDLE or session.idle_since is None:
        return None
    return session.idle_since + timedelta(minutes=session.idle_minutes)
