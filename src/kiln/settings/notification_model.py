"""One row of kiln_notifications: where messages about runs are sent, and about which events."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kiln.settings import names

NotificationEvent = Literal["failed", "retry", "succeeded", "slow", "kept", "not_terminated", "reaped"]
# All but success, which is what people expect.
DEFAULT_EVENTS: tuple[NotificationEvent, ...] = (
    "failed",
    "retry",
    "slow",
    "kept",
    "not_terminated",
    "reaped",
)
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
# Of RFC 5322's atoms: nothing that a header, a template or a shell would read as more than text.
Address = Annotated[
    str,
    Meta(pattern=rf"^[A-Za-z0-9.!#%&*+/=?^_~-]{{1,64}}@{_HOST}\Z", title="an address like ops@example.com"),
]
Host = Annotated[str, Meta(pattern=rf"^{_HOST}\Z", title="a host name or an IPv4 address")]
# SNS API Reference, CreateTopic: names have letters, digits, _ and -, at most 256; FIFO topics end in .fifo
# and need a message group, which is not sent.
TopicArn = Annotated[
    str,
    Meta(
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]{1,30}:[0-9]{12}:[A-Za-z0-9_-]{1,256}\Z",
        title="the ARN of a standard topic, arn:aws:sns:REGION:ACCOUNT:NAME",
    ),
]


class Notification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where messages go. `url` and `password` are names of secrets in the vault, never the secrets.

    `security`: STARTTLS (port 587), TLS from the first byte (465), or none (25), on loopback only. `ca_file`
    is a file of certificates to trust besides the system's, below the checkout.
    """

    name: Annotated[str, Meta(pattern=names.PATTERN, title=names.WORDS)]
    kind: Literal["mail", "webhook", "sns"]
    on: tuple[NotificationEvent, ...] = DEFAULT_EVENTS
    to: Annotated[tuple[Address, ...], Meta(max_length=100)] = ()
    sender: Address | None = None
    host: Host | None = None
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, Meta(max_length=256)] = ""
    password: str = ""
    url: str = ""
    ca_file: str = ""
    topic_arn: TopicArn | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the names in the vault of what this row needs."""
        return tuple(filter(None, (self.url, self.password)))
