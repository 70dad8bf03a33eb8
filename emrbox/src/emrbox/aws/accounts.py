"""Accounts beyond the first: opened with nothing but an administrator, closed with all that is in them."""

from __future__ import annotations

import itertools
import secrets
import string
import threading
from typing import TYPE_CHECKING, Any, Protocol

from moto.core.base_backend import BackendDict
from moto.s3.models import s3_backends

from emrbox.aws.account import create_administrator
from emrbox.config import ACCOUNT_ID, REGION

if TYPE_CHECKING:
    from emrbox.aws.own_api import OwnApi
    from emrbox.emr.hollow.scripts import Scripts

Document = dict[str, Any]
FIRST_NUMBER = 200_000_000_000


class Resident(Protocol):
    """A service that is not only moto's."""

    def open_account(self, account_id: str) -> None:
        """Make room for a new account."""

    def close_account(self, account_id: str) -> None:
        """End what an account has."""


class Accounts:
    """The box's accounts. Residents are told of each in order, and of its end in reverse order."""

    def __init__(self, scripts: Scripts) -> None:
        self.residents: list[Resident] = []
        self._scripts = scripts
        self._lock = threading.Lock()
        self._numbers = itertools.count(FIRST_NUMBER + 1)
        self._open: set[str] = set()

    def add_to(self, api: OwnApi) -> None:
        """Offer them below /_emrbox/."""
        api.get("accounts", lambda _: [ACCOUNT_ID, *sorted(self._open)])
        api.post("accounts", self._open_account)
        api.post("accounts/close", self._close_account)

    def _open_account(self, document: Document) -> Document:
        """{"hollow": true} makes an account whose clusters are hollow unless their tag says no."""
        if unknown := set(document) - {"hollow"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known is hollow")
        hollow = document.get("hollow", False)
        if not isinstance(hollow, bool):
            raise TypeError("hollow: true or false")
        with self._lock:
            account_id = str(next(self._numbers))
            key, secret = new_keys()
            create_administrator(key, secret, account_id)
            for resident in self.residents:
                resident.open_account(account_id)
            if hollow:
                self._scripts.add_account(account_id)
            self._open.add(account_id)
        return {
            "account_id": account_id,
            "access_key_id": key,
            "secret_access_key": secret,
            "region": REGION,
            "hollow": hollow,
        }

    def _close_account(self, document: Document) -> Document:
        """{"account_id": …}: end its clusters and instances, free its buckets' names, forget the rest."""
        account_id = document.get("account_id")
        with self._lock:
            if account_id not in self._open:
                raise ValueError("account_id: no account that was opened here")
            self._open.remove(account_id)
        for resident in reversed(self.residents):
            resident.close_account(account_id)
        self._scripts.forget_account(account_id)
        _forget(account_id)
        return {"account_id": account_id}


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
                backends[account_id].reset()  # it holds files open
            del backends[account_id]
