"""Webhooks against a real web server on loopback: TLS, busy servers, lost answers, and a URL nobody sees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from message_sinks import http_sink
from notification_world import Office, failed, webhook_row

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("KILN_CHECKOUT", "/")
    return Office()


def test_a_message_arrives_over_https_as_slack_has_it(office: Office, trusted: Path) -> None:
    with http_sink(trusted) as sink:
        office.vault["vault_chat_url"] = sink.url
        assert office.deliver(failed(cause=("<!channel> & @here *x*",)), webhook_row(ca_file=str(trusted)))
    assert sink.paths == ["/services/T0/B0/SECRET-URL"]
    document = json.loads(sink.bodies[0])
    assert document["text"].splitlines()[2] == "  &lt;!channel&gt; &amp; @ here *x*"
    assert document["mrkdwn"] is False


def test_a_certificate_that_is_not_trusted_stops_it(office: Office, trusted: Path) -> None:
    with http_sink(trusted) as sink:
        office.vault["vault_chat_url"] = sink.url
        assert not office.deliver(failed(), webhook_row())
    assert sink.bodies == []
    assert "is not trusted" in office.lines[0]


def test_a_busy_server_is_tried_again(office: Office) -> None:
    with http_sink() as sink:
        office.vault["vault_chat_url"] = sink.url
        sink.statuses = [429, 503]
        assert office.deliver(failed(), webhook_row())
    assert len(sink.bodies) == 3
    assert office.states() == [("chat", "failed", "sent")]


@pytest.mark.parametrize(
    ("status", "state"), [(404, "not_sent"), (302, "not_sent"), (500, "unknown"), (0, "unknown")]
)
def test_an_answer_that_is_none_or_no_success_is_not_repeated(
    office: Office, status: int, state: str
) -> None:
    with http_sink() as sink:
        office.vault["vault_chat_url"] = sink.url
        sink.statuses = [status]
        assert not office.deliver(failed(), webhook_row())
    assert len(sink.bodies) == 1
    assert office.states() == [("chat", "failed", state)]
    assert "SECRET-URL" not in str(office.lines)


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.example.com/SECRET-URL",
        "ftp://127.0.0.1/SECRET-URL",
        "https://user:SECRET-URL@chat.example.com/",
        "https://[SECRET-URL",
        "https://chat.example.com:SECRET-URL/",
        "https://chat.example.com/SECRET-URL\r\nX: y",
        "SECRET-URL",
        "https:///SECRET-URL",
    ],
)
def test_a_url_that_cannot_be_one_is_refused_and_not_shown(office: Office, url: str) -> None:
    office.vault["vault_chat_url"] = url
    assert not office.deliver(failed(), webhook_row())
    assert "SECRET-URL" not in str(office.lines)
    assert "vault_chat_url" in office.lines[0]
    assert office.states() == [("chat", "failed", "not_sent")]
