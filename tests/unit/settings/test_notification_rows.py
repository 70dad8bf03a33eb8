"""Rows of kiln_notifications: a wrong one is one error that names row and key, and shows no secret."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from kiln.errors import UsageError
from kiln.notifications import delivery, events
from kiln.settings import notification_rows, typed
from kiln.settings.model import Notifying
from kiln.settings.notification_model import DEFAULT_EVENTS, Notification, NotificationEvent

MAIL = {
    "name": "ops",
    "kind": "mail",
    "to": ["ops@example.com"],
    "sender": "kiln@example.com",
    "host": "smtp.example.com",
}
CHAT = {"name": "chat", "kind": "webhook", "url": "vault_chat_url"}
TOPIC = {
    "name": "topic",
    "kind": "sns",
    "topic_arn": "arn:aws:sns:eu-west-1:123456789012:kiln-notifications-x",
}


def checked(*rows: Any) -> tuple[Notification, ...]:
    notification_rows.check_secrets(list(rows), "x.yml")
    settings = {"kiln_notifications": list(rows), "aws_region": "r", "kiln_state_uri": "s3://a"}
    found = typed.convert(settings, Notifying, label="x.yml").kiln_notifications
    notification_rows.check(found, "x.yml")
    return found


def test_good_rows_are_taken_with_all_events_but_success() -> None:
    mail, chat, topic = checked(MAIL, CHAT, TOPIC)
    assert mail.on == chat.on == topic.on == DEFAULT_EVENTS
    assert set(get_args(NotificationEvent)) - set(DEFAULT_EVENTS) == {"succeeded"}
    assert chat.secrets == ("vault_chat_url",)


def test_the_tables_of_events_and_kinds_agree() -> None:
    assert set(events.EVENTS) == {*get_args(NotificationEvent), events.TEST}
    assert set(delivery.SENDERS) == set(notification_rows.KINDS)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**MAIL, "host": "a b"}, "host is 'a b': expected a host name"),
        ({**MAIL, "to": ["ops@example.com\nBcc: x@y.z"]}, "expected an address like"),
        ({**MAIL, "to": ["ops"]}, "expected an address like"),
        ({**MAIL, "sender": "Kiln <kiln@example.com>"}, "expected an address like"),
        ({key: MAIL[key] for key in ("name", "kind", "to", "sender")}, "(mail ops) has no host"),
        ({**MAIL, "to": []}, "(mail ops) has no to"),
        ({**MAIL, "user": "kiln"}, "only one of user and password"),
        ({**MAIL, "password": "vault_smtp"}, "only one of user and password"),
        ({**MAIL, "security": "none"}, "security none for the host smtp.example.com"),
        ({**MAIL, "on": ["broken"]}, "expected failed or retry"),
        ({**MAIL, "hots": "x"}, "an unknown key hots (did you mean host?)"),
        ({**MAIL, "topic_arn": TOPIC["topic_arn"]}, "has topic_arn, which mail does not use"),
        ({**CHAT, "host": "smtp.example.com"}, "has host, which webhook does not use"),
        ({"name": "chat", "kind": "webhook"}, "(webhook chat) has no url"),
        ({**TOPIC, "topic_arn": "arn:aws:sns:eu-west-1:123456789012:x.fifo"}, "the ARN of a standard topic"),
        ({**CHAT, "url": "https://hooks.example.com/SECRET"}, "url is no name of a variable in the vault"),
        ({**CHAT, "url": "{{ vault_chat_url }}"}, "url is no name of a variable in the vault"),
        ({**MAIL, "user": "kiln", "password": "SECRET"}, "password is no name of a variable in the vault"),
        ("https://hooks.example.com/SECRET", "is no list of mappings"),
    ],
)
def test_a_wrong_row_is_named_with_what_to_do(row: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        checked(row)
    assert error.value.message.startswith("x.yml: ")
    assert said in error.value.message
    assert error.value.fix
    assert "SECRET" not in error.value.message


def test_two_rows_cannot_have_one_name() -> None:
    with pytest.raises(UsageError, match="has the name of another row"):
        checked(MAIL, {**TOPIC, "name": "ops"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_may_be_spoken_to_in_the_clear(host: str) -> None:
    (row,) = checked({**MAIL, "host": host, "security": "none"})
    assert row.security == "none"
