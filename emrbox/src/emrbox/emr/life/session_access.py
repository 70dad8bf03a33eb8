"""Who may use which Spark Connect session, where its server is, and how long it is busy."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from emrbox.emr.life import states
from emrbox.emr.life.tokens import Tokens

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Session
    from emrbox.emr.life.store import Store

# emr-spark-connect.REGION.amazonaws.com on AWS. gRPC takes every name below `localhost` for this machine.
DOMAIN = "emr-spark-connect.localhost"
VALID = timedelta(hours=1)  # docs/aws_facts.md 7.2


class SessionAccess:
    """Tokens for the sessions of all accounts. `port` is where clients find them."""

    def __init__(self, store: Store, port: int) -> None:
        self._port = port
        self._store = store
        self._tokens = Tokens(store.clock, VALID)

    def endpoint(self, session: Session) -> str:
        """Return the address of a session. A host of its own makes clients open connections of its own."""
        return f"http://{session.id.lower()}.{DOMAIN}:{self._port}"

    def issue(self, session: Session) -> tuple[str, datetime]:
        """Return a new token for a session, and when it ends."""
        return self._tokens.issue(session.id)

    def admitted(self, session_id: str, token: str) -> Session | None:
        """Return a session that can be used, if the token is valid for it."""
        if not self._tokens.admits(session_id, token):
            return None
        found = self._find(session_id)
        is_ready = found is not None and found[1].status.state in states.SESSION_READY
        return found[1] if found is not None and is_ready else None

    def note_calls(self, session_id: str, change: int) -> None:
        """Count the calls of a session that are under way: it is busy while there are any."""
        if (found := self._find(session_id)) is not None:
            cluster, session = found
            with cluster.lock:
                now = self._store.now(cluster)
                self._store.engine(cluster).sessions.note_calls(session, change, now)

    def _find(self, session_id: str) -> tuple[Cluster, Session] | None:
        for cluster in self._store.all():
            for session in cluster.sessions:
                if session.id == session_id:
                    return cluster, session
        return None
