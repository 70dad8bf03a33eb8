"""Mail against a real SMTP server on loopback: TLS, logins, refusals, lost answers."""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING, Any

import pytest
from message_sinks import smtp_sink
from notification_world import Office, failed, mail_row

if TYPE_CHECKING:
    from pathlib import Path

    from message_sinks import Mail


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("KILN_CHECKOUT", "/")
    return Office(vault={"vault_smtp": "secret-word"})


def read(mail: Mail) -> Any:
    return email.message_from_bytes(mail.data, policy=email.policy.default)


def logged_in(port: int, file: Path, **changes: Any) -> Any:
    secure = {"security": "starttls", "ca_file": str(file), "user": "kiln", "password": "vault_smtp"}
    return mail_row(port, **secure | changes)


def test_a_mail_arrives_over_starttls_with_a_login(office: Office, trusted: Path) -> None:
    with smtp_sink(trusted, password="secret-word") as sink:
        assert office.deliver(failed(what="step cdd é"), logged_in(sink.port, trusted))
    (mail,) = sink.mails
    assert (mail.user, mail.is_encrypted, mail.receivers) == ("kiln", True, ["ops@example.com"])
    got = read(mail)
    assert got["Subject"] == "[kiln] model_building in local: step cdd é failed"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_content().splitlines()[:2] == ["step cdd é failed", "  ValueError in cdd"]
    assert office.states() == [("ops", "failed", "sent")]
    assert office.lines == ["notification failed: sent to ops (mail)"]


def test_a_mail_arrives_over_tls_from_the_first_byte(office: Office, trusted: Path) -> None:
    with smtp_sink(trusted, tls=True, password="secret-word") as sink:
        assert office.deliver(failed(), logged_in(sink.port, trusted, security="tls"))
    assert sink.mails[0].is_encrypted


def test_a_certificate_that_is_not_trusted_or_another_host_s_stops_it(
    office: Office, trusted: Path, of_another_host: Path
) -> None:
    for file, ca_file in ((trusted, ""), (of_another_host, str(of_another_host))):
        with smtp_sink(file) as sink:
            row = mail_row(sink.port, security="starttls", ca_file=ca_file)
            assert not office.deliver(failed(), row)
        assert sink.mails == []
        assert "is not trusted" in office.lines[-1]
    assert office.states() == [("ops", "failed", "not_sent")]


def test_a_server_without_starttls_gets_neither_mail_nor_password(office: Office, trusted: Path) -> None:
    with smtp_sink(trusted, starttls=False) as sink:
        assert not office.deliver(failed(), logged_in(sink.port, trusted))
    assert (sink.mails, "AUTH" in sink.commands) == ([], False)


def test_a_wrong_password_is_not_tried_twice_and_not_shown(office: Office, trusted: Path) -> None:
    with smtp_sink(trusted, password="another") as sink:
        assert not office.deliver(failed(), logged_in(sink.port, trusted))
    assert sink.commands.count("AUTH") == 1
    (line,) = office.lines
    assert "refuses the user kiln (535)" in line
    assert "secret-word" not in line


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "text"])
def test_a_transient_refusal_is_tried_again_and_arrives_once(office: Office, command: str) -> None:
    with smtp_sink(answers={command: ["451 later", "450 later"]}) as sink:
        assert office.deliver(failed(), mail_row(sink.port))
    assert len(sink.mails) == 1
    assert office.aws.clock.seconds == 3.0


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "text"])
def test_a_final_refusal_is_reported_and_not_repeated(office: Office, command: str) -> None:
    with smtp_sink(answers={command: ["554 no\x1b[2J"]}) as sink:
        assert not office.deliver(failed(), mail_row(sink.port))
    assert sink.mails == []
    assert "554 no\\x1b[2J" in office.lines[0]
    assert office.states() == [("ops", "failed", "not_sent")]


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_text_is_tried_again(office: Office, command: str) -> None:
    with smtp_sink(hang_up=[command]) as sink:
        assert office.deliver(failed(), mail_row(sink.port))
    assert len(sink.mails) == 1


def test_a_connection_lost_after_the_text_is_never_repeated(office: Office) -> None:
    with smtp_sink(hang_up=["text"]) as sink:
        assert not office.deliver(failed(), mail_row(sink.port))
        assert office.states() == [("ops", "failed", "unknown")]
        # The callback of Airflow comes later.
        assert office.deliver(failed(), mail_row(sink.port))
    assert len(sink.mails) == 1


def test_receivers_that_the_server_refuses_are_named_and_the_others_get_it(office: Office) -> None:
    with smtp_sink(refused={"gone@example.com"}) as sink:
        assert office.deliver(failed(), mail_row(sink.port, to=("gone@example.com", "ops@example.com")))
    assert sink.mails[0].receivers == ["ops@example.com"]
    assert "refused gone@example.com" in office.lines[0]


def test_lines_that_begin_with_a_dot_arrive_whole(office: Office) -> None:
    with smtp_sink() as sink:
        assert office.deliver(failed(cause=("a", ".", "..b")), mail_row(sink.port))
    assert read(sink.mails[0]).get_content().splitlines()[1:4] == ["  a", "  .", "  ..b"]


def test_a_server_that_is_not_there_is_tried_until_the_deadline(office: Office) -> None:
    with smtp_sink() as sink:
        pass
    assert not office.deliver(failed(), mail_row(sink.port))
    assert 40 < office.aws.clock.seconds <= 60
    assert "cannot be reached" in office.lines[0]
