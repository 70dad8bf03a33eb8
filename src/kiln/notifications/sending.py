"""What the senders of all kinds share: what they are given, and how a message can fail to be sent."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kiln import paths
from kiln.printable import line_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.aws.context import Context
    from kiln.notifications.messages import Message
    from kiln.settings.notification_model import Notification

_SHOWN = 200


class NotSentError(Exception):
    """The message was not sent, certainly. `again`: another try may succeed."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class MaybeSentError(Exception):
    """Whether the message was sent is not known: no answer came after it. It must not be sent again."""


class Parcel(NamedTuple):
    """A message on its way to one row. `secrets` are by their names in the vault; `seconds` limit one try."""

    row: Notification
    message: Message
    secrets: Mapping[str, str]
    seconds: float
    context: Context


class Sender(Protocol):
    """Sends a message of one kind; returns what should be reported beside that. Raises the errors above."""

    def __call__(self, parcel: Parcel) -> str:
        """Send it."""


def trust(row: Notification) -> ssl.SSLContext:
    """Return a context that checks certificates and names. Raises NotSentError for a file that is none."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if row.ca_file:
        try:
            context.load_verify_locations(cafile=str(paths.checkout() / row.ca_file))
        except OSError as error:  # ssl.SSLError too
            raise NotSentError(
                f"the ca_file {row.ca_file} cannot be used: {error.strerror}", again=False
            ) from error
    return context


def unreachable(where: str, error: OSError) -> NotSentError:
    """Return the error for a server that was not reached; a wrong certificate stays wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotSentError(f"the certificate of {where} is not trusted: {error.verify_message}", again=False)
    reason = error.strerror if isinstance(error.strerror, str) else type(error).__name__
    return NotSentError(f"{where} cannot be reached: {reason}", again=True)


def shown(text: bytes | str, secrets: Mapping[str, str]) -> str:
    """Return an answer of a server as one short line that holds none of the secrets."""
    line = text.decode(errors="replace") if isinstance(text, bytes) else text
    for secret in filter(None, secrets.values()):
        line = line.replace(secret, "…")
    return line_of(line)[:_SHOWN]
