"""Messages to a webhook as Slack has it: one HTTPS POST of {"text": …}. The URL is a secret and never shown.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import http.client
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from kiln.notifications.sending import MaybeSentError, NotSentError, Parcel, trust, unreachable
from kiln.settings.notification_rows import is_loopback

if TYPE_CHECKING:
    from kiln.notifications.messages import Message
    from kiln.settings.notification_model import Notification

# Slack shortens a text after 40,000 characters, and asks for at most 4,000 (chat.postMessage).
_MOST = 3900
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Slack-compatible chats read these also without Slack's <! >: everybody in the channel would be called.
_CALLS_ALL = re.compile(r"@(?=(?:all|channel|everyone|here)\b)", re.IGNORECASE)
_AGAIN = frozenset({429, 503})
_SERVER_FAULT = 500
_VISIBLE = re.compile(r"[!-~]+")


def send(parcel: Parcel) -> str:
    """Post a message. A redirect is an error: the URL in the vault is the only one that gets it."""
    where = f"the webhook {parcel.row.url}"
    parts = _parts(parcel.secrets[parcel.row.url], where)
    target = parts.path or "/"
    target += f"?{parts.query}" if parts.query else ""
    headers = {"Content-Type": "application/json; charset=utf-8", "Connection": "close"}
    body = json.dumps(document(parcel.message)).encode()
    connection = _connection(parts, parcel.row, parcel.seconds)
    try:
        try:
            connection.connect()
        except OSError as error:
            raise unreachable(where, error) from None
        try:
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            # The error's own text may hold the URL.
            raise MaybeSentError(f"{where} gave no answer") from None
    finally:
        with suppress(OSError):
            connection.close()
    _judge(status, where)
    return ""


def document(message: Message) -> dict[str, object]:
    """Return the JSON of a message. No text in it is formatted, or calls anybody."""
    text = _CALLS_ALL.sub("@ ", f"{message.subject}\n{message.text}")
    short = text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
    # Slack: these three are escaped, and no others.
    escaped = "".join(_ESCAPES.get(sign, sign) for sign in short)
    return {"text": escaped, "mrkdwn": False}


def _parts(url: str, where: str) -> SplitResult:
    """Return the parts of a URL. Raises NotSentError, which does not show it."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise NotSentError(f"{where} is no URL (it is not shown)", again=False) from None
    is_plain = _VISIBLE.fullmatch(url.strip()) and host and not (parts.username or parts.password)
    if not is_plain or parts.scheme not in {"https", "http"}:
        raise NotSentError(f"{where} is no https:// URL (it is not shown)", again=False)
    if parts.scheme == "http" and not is_loopback(host):
        raise NotSentError(f"{where} is http://, which is for this machine only", again=False)
    return parts


def _connection(parts: SplitResult, row: Notification, seconds: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=trust(row))
    return http.client.HTTPConnection(host, parts.port, timeout=seconds)


def _judge(status: int, where: str) -> None:
    """Raise what an answer means. A fault of the server says nothing about what it did before."""
    if http.client.OK <= status < http.client.MULTIPLE_CHOICES:
        return
    if status in _AGAIN:
        raise NotSentError(f"{where} is busy (HTTP {status})", again=True)
    if status >= _SERVER_FAULT:
        raise MaybeSentError(f"{where} had a fault (HTTP {status})")
    raise NotSentError(f"{where} refuses the message (HTTP {status})", again=False)
