"""Delivery: each message at most once, tried again while it certainly was not sent, within a deadline."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kiln.errors import KilnError, caught
from kiln.notifications import mail, topic, webhook
from kiln.notifications.events import TEST
from kiln.notifications.messages import message
from kiln.notifications.sending import MaybeSentError, NotSentError, Parcel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kiln.aws.context import Context
    from kiln.ledger.notices import Notice, NoticeStore, State
    from kiln.notifications.messages import Message
    from kiln.notifications.occasion import Choice, Occasion
    from kiln.notifications.sending import Sender
    from kiln.settings.notification_model import Notification

SENDERS: Mapping[str, Sender] = {"mail": mail.send, "webhook": webhook.send, "sns": topic.send}
# For all messages of an occasion together: what comes after them in the command waits for that long at most.
SECONDS = 60.0
_TRY_SECONDS = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 16.0


class _Claimed(NamedTuple):
    """A message that this process alone sends."""

    row: Notification
    message: Message
    notice: Notice


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Sends what is to be said about one run.

    `secrets` returns the secrets of these names; it raises KilnError where the vault cannot be opened.
    `seconds` limit all messages of an occasion together. `context` should not be one that a signal has
    stopped. Nothing is raised; `context.report` gets a line for each message.
    """

    context: Context
    rows: Sequence[Notification]
    store: NoticeStore
    secrets: Callable[[Sequence[str]], Mapping[str, str]]
    senders: Mapping[str, Sender] = field(default_factory=lambda: SENDERS)
    seconds: float = SECONDS

    def deliver(self, occasion: Occasion) -> bool:
        """Send what is new; return False when a message was not sent, or may not have been."""
        wanted = [(row, choice) for row in self.rows if (choice := choice_of(row, occasion.choices))]
        if not wanted:
            return True
        good, pending = True, []
        for row, choice in wanted:
            try:
                pending += self._claimed(row, choice, occasion)
            except KilnError as error:
                good = self._failed(row, f"not sent: {error.message}")
        return self._send_all(pending) and good

    def _claimed(
        self, row: Notification, choice: Choice, occasion: Occasion
    ) -> list[tuple[_Claimed, Parcel]]:
        # Before the claim: whoever has the vault's password may still send it.
        secrets = self.secrets(row.secrets) if row.secrets else {}
        made = message(choice.event, choice.key, occasion.facts)
        notice = self.store.claim(choice.key, row.name, choice.event)
        if notice is None:
            return []
        parcel = Parcel(row, made, secrets, _TRY_SECONDS, self.context)
        return [(_Claimed(row, made, notice), parcel)]

    def _send_all(self, pending: list[tuple[_Claimed, Parcel]]) -> bool:
        clock, good, pause = self.context.clock, True, _FIRST_PAUSE
        ends_at = clock.monotonic() + self.seconds
        while pending:
            later = []
            for claimed, parcel in pending:
                left = ends_at - clock.monotonic()
                bounded = parcel._replace(seconds=max(1.0, min(_TRY_SECONDS, left)))
                state, text = self._tried(bounded)
                if state is None and left > pause:
                    later.append((claimed, parcel))
                    continue
                good = self._settle(claimed, state or "not_sent", text) and good
            pending = later
            if pending:
                clock.wait(pause, threading.Event())
                pause = min(pause * 2, _LONGEST_PAUSE)
        return good

    def _tried(self, parcel: Parcel) -> tuple[State | None, str]:
        """Try once; return the state, None when another try may succeed, and what to report."""
        try:
            return "sent", self.senders[parcel.row.kind](parcel)
        except NotSentError as error:
            return (None if error.again else "not_sent"), str(error)
        except MaybeSentError as error:
            return "unknown", str(error)
        except Exception as error:  # noqa: BLE001  # a fault in a sender must not reach the run
            # Its text may hold a secret.
            return "unknown", f"fault in kiln: {type(error).__name__}"

    def _settle(self, claimed: _Claimed, state: State, text: str) -> bool:
        problem = caught(lambda: self.store.settle(claimed.notice, state))
        more = "; ".join(filter(None, (text, f"not recorded: {problem.message}" if problem else "")))
        if state == "sent":
            where = f"{claimed.row.name} ({claimed.row.kind})"
            self.context.report(f"notification {claimed.notice.event}: sent to {where}{more and f'; {more}'}")
            return True
        word = {"not_sent": "not sent", "unknown": "may not have been sent"}[state]
        return self._failed(claimed.row, f"{claimed.notice.event} {word}: {more}")

    def _failed(self, row: Notification, text: str) -> bool:
        self.context.report(f"notification to {row.name} ({row.kind}): {text}")
        return False


def choice_of(row: Notification, choices: Sequence[Choice]) -> Choice | None:
    """Return the event that a row gets; None when it asks for none of them."""
    return next((one for one in choices if one.event == TEST or one.event in row.on), None)
