"""Each message at most once, whoever sends it, and whatever goes wrong on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import FAULTS
from notification_world import IDENTITY, Office, failed, mail_row, webhook_row

from kiln.notifications.occasion import Choice
from kiln.notifications.sending import MaybeSentError, NotSentError

if TYPE_CHECKING:
    from kiln.notifications.sending import Parcel


class Counter:
    """A sender that counts, and fails as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.subjects: list[str] = []

    def __call__(self, parcel: Parcel) -> str:
        if self.errors:
            raise self.errors.pop(0)
        self.subjects.append(parcel.message.subject)
        return ""


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def office(counter: Counter) -> Office:
    return Office(senders={"mail": counter, "webhook": counter, "sns": counter})


def test_an_event_is_sent_once_to_each_row_however_often_it_is_delivered(
    office: Office, counter: Counter
) -> None:
    rows = (mail_row(1), mail_row(1, name="boss"))
    for _ in range(3):
        assert office.deliver(failed(), *rows)
    assert len(counter.subjects) == 2
    assert office.deliver(failed("failed/2"), *rows)
    assert len(counter.subjects) == 4


def test_a_row_gets_the_first_event_that_it_asks_for(office: Office, counter: Counter) -> None:
    occasion = failed()._replace(choices=(Choice("kept", "failed/1"), Choice("failed", "failed/1")))
    office.deliver(
        occasion,
        mail_row(1, on=("failed",)),
        mail_row(1, name="two"),
        mail_row(1, name="three", on=("slow",)),
    )
    assert [subject.rpartition(": ")[2] for subject in counter.subjects] == [
        "step cdd failed",
        "its cluster is kept",
    ]


def test_what_was_certainly_not_sent_may_be_sent_by_the_next_command(
    office: Office, counter: Counter
) -> None:
    counter.errors = [NotSentError("refused", again=False)]
    assert not office.deliver(failed(), mail_row(1))
    assert office.deliver(failed(), mail_row(1))
    assert office.states() == [("ops", "failed", "sent")]


@pytest.mark.parametrize("error", [MaybeSentError("no answer"), RuntimeError("SECRET")])
def test_what_may_have_been_sent_is_never_sent_again(
    office: Office, counter: Counter, error: Exception
) -> None:
    counter.errors = [error]
    assert not office.deliver(failed(), mail_row(1))
    assert office.deliver(failed(), mail_row(1))
    assert counter.subjects == []
    assert "may not have been sent" in office.lines[0]
    assert "SECRET" not in office.lines[0]


def test_a_sender_that_was_killed_leaves_an_intent_that_nobody_repeats(
    office: Office, counter: Counter
) -> None:
    assert office.store.claim("failed/1", "ops", "failed")
    assert office.deliver(failed(), mail_row(1))
    assert counter.subjects == []


def test_two_commands_at_once_send_it_once(office: Office, counter: Counter) -> None:
    other = Office(aws=office.aws, senders=office.senders)
    begun: list[int] = []

    def meanwhile(_call: int) -> None:
        if not begun and office.aws.calls[-1] == "PutObject":
            begun.append(1)
            other.deliver(failed(), mail_row(1))

    office.aws.before_call = meanwhile
    office.deliver(failed(), mail_row(1))
    assert begun
    assert len(counter.subjects) == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(4))
def test_a_disturbed_record_never_leads_to_a_second_message(
    office: Office, counter: Counter, fault: str, call: int
) -> None:
    office.aws.faults = {call: fault}
    try:
        office.deliver(failed(), mail_row(1))
    except RuntimeError:
        assert fault == "bug"
    office.aws.faults = {}
    office.deliver(failed(), mail_row(1))
    assert len(counter.subjects) <= 1


def test_without_its_secret_a_row_is_reported_and_the_others_get_it(office: Office, counter: Counter) -> None:
    assert not office.deliver(failed(), webhook_row(), mail_row(1))
    assert len(counter.subjects) == 1
    assert (
        office.lines[0] == "notification to chat (webhook): not sent: vault/local.yml has no vault_chat_url"
    )
    office.vault["vault_chat_url"] = "x"
    assert office.deliver(failed(), webhook_row(), mail_row(1))
    assert len(counter.subjects) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"version": 2}', b"\xff", b"[" * 100_000])
def test_nothing_is_sent_while_the_record_cannot_be_read(
    office: Office, counter: Counter, body: bytes
) -> None:
    office.aws.objects[office.store.uri] = body
    assert not office.deliver(failed(), mail_row(1))
    assert counter.subjects == []
    assert "cannot be read" in office.lines[0]
    assert IDENTITY.run_id in office.lines[0]


def test_pauses_grow_and_end_at_the_deadline(office: Office, counter: Counter) -> None:
    counter.errors = [NotSentError("busy", again=True)] * 100
    assert not office.deliver(failed(), mail_row(1))
    assert office.aws.clock.seconds <= 60
    assert office.states() == [("ops", "failed", "not_sent")]
    assert len(counter.errors) > 90
