"""Rows, messages and deliveries for tests of notifications, on an AWS in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes import FakeAws, VirtualClock

from kiln.aws.context import Context
from kiln.errors import PreflightError
from kiln.identity import Identity
from kiln.ledger.notices import NoticeStore
from kiln.notifications.delivery import SENDERS, Delivery
from kiln.notifications.occasion import Choice, Facts, Occasion
from kiln.settings.notification_model import Notification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kiln.notifications.sending import Sender

IDENTITY = Identity(environment="local", pipeline="model_building", run_id="r1", owner="ops")
STATE = "s3://state/kiln"


def mail_row(port: int, **changes: Any) -> Notification:
    values: dict[str, Any] = {
        "name": "ops",
        "kind": "mail",
        "to": ("ops@example.com",),
        "sender": "kiln@example.com",
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
    }
    return Notification(**values | changes)


def webhook_row(**changes: Any) -> Notification:
    return Notification(**{"name": "chat", "kind": "webhook", "url": "vault_chat_url"} | changes)


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {"identity": IDENTITY, "what": "step cdd", "cause": ("ValueError in cdd",)}
    return Facts(**values | changes)


def failed(key: str = "failed/1", **changes: Any) -> Occasion:
    return Occasion((Choice("failed", key),), facts(**changes))


@dataclass
class Office:
    """What a process delivers with: an AWS, a vault, senders, and the lines that it reported."""

    aws: FakeAws = field(default_factory=lambda: FakeAws(VirtualClock()))
    vault: dict[str, str] = field(default_factory=dict)
    senders: Mapping[str, Sender] = field(default_factory=lambda: SENDERS)
    lines: list[str] = field(default_factory=list)

    @property
    def context(self) -> Context:
        return Context(aws=self.aws, clock=self.aws.clock, report=self.lines.append)

    @property
    def store(self) -> NoticeStore:
        return NoticeStore(self.context.effects, self.aws.clock, STATE, IDENTITY)

    def secrets(self, names: Sequence[str]) -> dict[str, str]:
        missing = [name for name in names if name not in self.vault]
        if missing:
            raise PreflightError(f"vault/local.yml has no {missing[0]}")
        return {name: self.vault[name] for name in names}

    def deliver(self, occasion: Occasion, *rows: Notification) -> bool:
        delivery = Delivery(
            context=self.context, rows=rows, store=self.store, secrets=self.secrets, senders=self.senders
        )
        return delivery.deliver(occasion)

    def states(self) -> list[tuple[str, str, str]]:
        """Return row, event and state of each entry in the record."""
        return [(one.row, one.event, one.state) for one in self.store.read()]
