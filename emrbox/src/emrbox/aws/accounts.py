"""Accounts beyond the first: opened with nothing but an administrator, closed with all that is in them."""

from __future__ import annotations

import itertools
import secrets
import string
import threading
from typing import TYPE_CHECKING, Any, Protocol

from moto.core.base_backend import BackendDict
from moto.s3.models import FakeKey, s3_backends

from emrbox.aws.account import create_administrator
from emrbox.config import REGION

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_NUMBER = 200_000_000_000


class Service(Protocol):
    """A service that is not only moto's."""

    def open_account(self, account_id: str) -> None:
        """Prepare what a new account needs."""

    def close_account(self, account_id: str) -> None:
        """End what an account has."""


class Accounts:
    """The accounts beyond the first. Services open one in their order and close it in reverse order."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._numbers = itertools.count(FIRST_NUMBER + 1)
        self._open: set[str] = set()

    def open_ids(self) -> list[str]:
        """Return the ids of the accounts that are open."""
        with self._lock:
            return sorted(self._open)

    def open(self) -> dict[str, Any]:
        """Open an account; return its id and its administrator's keys."""
        with self._lock:
            account_id = str(next(self._numbers))
            key, secret = new_keys()
            create_administrator(key, secret, account_id)
            for service in self._services:
                service.open_account(account_id)
            self._open.add(account_id)
        return {
            "account_id": account_id,
            "access_key_id": key,
            "secret_access_key": secret,
            "region": REGION,
        }

    def close(self, account_id: Any) -> None:
        """End its clusters and instances, free its buckets' names, forget the rest. ValueError if unknown."""
        with self._lock:
            if account_id not in self._open:
                raise ValueError("account_id: no account that was opened here")
            self._open.remove(account_id)
        for service in reversed(self._services):
            service.close_account(account_id)
        _forget(account_id)


def new_keys() -> tuple[str, str]:
    """Return a new access key id and secret."""
    letters = string.ascii_uppercase + "234567"
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30)


def _forget(account_id: str) -> None:
    for name, (_, owner) in list(s3_backends.bucket_accounts.items()):
        if owner == account_id:
            s3_backends.bucket_accounts.pop(name, None)
    for backends in list(BackendDict._instances):  # noqa: SLF001  # moto's own list of all services in use
        if account_id in backends.keys():  # noqa: SIM118  # moto's `in` is another
            if backends is s3_backends:
                _close_files(account_id)
            del backends[account_id]


def _close_files(account_id: str) -> None:
    """Close the files that hold the objects of an account; moto's own reset closes those of every account."""
    for regional in s3_backends[account_id].values():
        for bucket in regional.buckets.values():
            for _, versions in bucket.keys.lists():
                for key in versions:
                    if isinstance(key, FakeKey):  # not a delete marker
                        key.dispose()
            for upload in bucket.multiparts.values():
                upload.dispose()
