"""Messages as mail: SMTP with STARTTLS or TLS, certificates checked; in the clear on loopback only."""

from __future__ import annotations

import re
import smtplib
import socket
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple

from kiln.notifications.sending import MaybeSentError, NotSentError, Parcel, shown, trust, unreachable

if TYPE_CHECKING:
    from datetime import datetime

    from kiln.notifications.messages import Message
    from kiln.settings.notification_model import Notification

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
# RFC 5321, 4.2.1: 4yz is a transient refusal, 5yz a permanent one; 354 lets the text begin.
_TRANSIENT, _PERMANENT, _BEGIN, _OK = 400, 500, 354, 250
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class _Refused(NamedTuple):
    """A server's answer that is a refusal."""

    code: int
    text: bytes

    def error(self, what: str, parcel: Parcel) -> NotSentError:
        again = _TRANSIENT <= self.code < _PERMANENT
        return NotSentError(f"{what}: {self.code} {shown(self.text, parcel.secrets)}", again=again)


def send(parcel: Parcel) -> str:
    """Send a mail to all addresses of a row."""
    row = parcel.row
    document = mail_of(row, parcel.message, parcel.context.clock.now()).as_bytes()
    try:
        smtp = _connected(parcel)
    except OSError as error:  # smtplib.SMTPException is one
        raise _refusal(error, parcel) from error
    try:
        _log_in(smtp, parcel)
        refused = _address(smtp, parcel)
        _hand_over(smtp, document, parcel)
    except smtplib.SMTPException as error:
        raise _refusal(error, parcel) from error
    except OSError as error:
        raise unreachable(_server(row), error) from error
    finally:
        with suppress(OSError):
            smtp.close()
    return f"the server refused {', '.join(refused)}" if refused else ""


def mail_of(row: Notification, message: Message, now: datetime) -> EmailMessage:
    """Return the mail. Its id follows from the event: of two copies a mailbox may show one."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = message.subject
    mail["From"] = row.sender
    mail["To"] = ", ".join(row.to)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message.id[:40]}.{row.name}@kiln>"
    # RFC 3834: no mailbox answers it with a note that somebody is away.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, charset="utf-8", cte="quoted-printable")
    return mail


def _server(row: Notification) -> str:
    return f"the mail server {row.host}:{row.port or _PORTS[row.security]}"


def _connected(parcel: Parcel) -> smtplib.SMTP:
    row = parcel.row
    where = (row.host or "", row.port or _PORTS[row.security], _own_name(), parcel.seconds)
    host, port, own, seconds = where
    if row.security == "tls":
        return smtplib.SMTP_SSL(host, port, own, timeout=seconds, context=trust(row))
    smtp = smtplib.SMTP(host, port, own, timeout=seconds)
    try:
        if row.security == "starttls":
            # Raises SMTPNotSupportedError where the server offers none: nothing is sent in the clear.
            smtp.starttls(context=trust(row))
    except BaseException:
        smtp.close()
        raise
    return smtp


def _own_name() -> str:
    """Return this machine's name for EHLO, without a question to DNS."""
    name = socket.gethostname()
    return name if _NAME.fullmatch(name) else "[127.0.0.1]"


def _log_in(smtp: smtplib.SMTP, parcel: Parcel) -> None:
    if not parcel.row.user:
        return
    try:
        smtp.login(parcel.row.user, parcel.secrets[parcel.row.password])
    except smtplib.SMTPAuthenticationError as error:
        # Its text is not shown: it may repeat what it was given, encoded.
        again = _TRANSIENT <= error.smtp_code < _PERMANENT
        what = f"{_server(parcel.row)} refuses the user {parcel.row.user} ({error.smtp_code})"
        raise NotSentError(what, again=again) from None
    except UnicodeEncodeError:
        raise NotSentError("user and password must be ASCII for SMTP", again=False) from None


def _address(smtp: smtplib.SMTP, parcel: Parcel) -> list[str]:
    """Name sender and receivers; return the receivers that the server refuses, if it takes any."""
    row = parcel.row
    smtp.ehlo_or_helo_if_needed()
    sender = _Refused(*smtp.mail(row.sender or ""))
    if sender.code != _OK:
        raise sender.error(f"{_server(row)} refuses the sender {row.sender}", parcel)
    refused: dict[str, _Refused] = {}
    for receiver in row.to:
        answer = _Refused(*smtp.rcpt(receiver))
        # 250 and 251 take it, and 252 may.
        if answer.code >= _TRANSIENT:
            refused[receiver] = answer
    if len(refused) == len(row.to):
        first = next(iter(refused))
        raise refused[first].error(f"{_server(row)} refuses {first}", parcel)
    return list(refused)


def _hand_over(smtp: smtplib.SMTP, document: bytes, parcel: Parcel) -> None:
    """Send the text. From its first byte on a lost connection says nothing about what the server did."""
    answer = _Refused(*smtp.docmd("data"))
    if answer.code != _BEGIN:
        raise answer.error(f"{_server(parcel.row)} refuses the text", parcel)
    # RFC 5321, 4.5.2: a line that begins with a dot gets another one.
    text = re.sub(rb"(?m)^\.", b"..", document.rstrip(b"\r\n"))
    try:
        smtp.send(text + b"\r\n.\r\n")
        answer = _Refused(*smtp.getreply())
    except OSError as error:
        raise MaybeSentError(f"{_server(parcel.row)} gave no answer to the text") from error
    if answer.code != _OK:
        raise answer.error(f"{_server(parcel.row)} refuses the text", parcel)


def _refusal(error: OSError, parcel: Parcel) -> NotSentError:
    where = _server(parcel.row)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return NotSentError(f"{where} offers no STARTTLS, or no way to log in", again=False)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        answer = _Refused(error.smtp_code, text if isinstance(text, bytes) else str(text).encode())
        return answer.error(where, parcel)
    if isinstance(error, smtplib.SMTPException):
        return NotSentError(f"{where} ended the connection, or did not answer as SMTP does", again=True)
    return unreachable(where, error)
