"""Secrets that are handed out for a thing by its name, and are valid for a time."""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from emrbox.emr.life.clock import Clock


class Tokens:
    """Issues secrets and checks those that come back. Only their digests are kept."""

    def __init__(self, clock: Clock, valid: timedelta) -> None:
        self._clock = clock
        self._valid = valid
        self._lock = threading.Lock()
        self._issued: dict[str, tuple[str, datetime]] = {}  # digest -> name, end

    def issue(self, name: str) -> tuple[str, datetime]:
        """Return a new secret for a thing, and when it ends."""
        secret, now = secrets.token_urlsafe(32), self._clock.now()
        with self._lock:
            for old in [digest for digest, (_, end) in self._issued.items() if end <= now]:
                del self._issued[old]
            self._issued[_digest(secret)] = (name, now + self._valid)
        return secret, now + self._valid

    def admits(self, name: str, secret: str, *, once: bool = False) -> bool:
        """Whether a secret is valid for a thing now. With `once` it ends, whatever it was for."""
        digest = _digest(secret)
        with self._lock:
            found = self._issued.pop(digest, None) if once else self._issued.get(digest)
        return found is not None and found[0] == name and self._clock.now() < found[1]


def _digest(secret: str) -> str:
    """Return what is kept of a secret; how long the look-up takes says nothing about the secret."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
