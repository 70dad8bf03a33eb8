"""What can change the outcome of a call to an AWS API from outside: the place where faults are injected.

The endpoint asks a hook before each call. A refusal, in the protocol of the call, is also what the endpoint
itself answers with to a call that it does not let through.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON_TYPE, XML_TYPE = "application/x-amz-json-1.1", "text/xml"
QUERY_ERROR = (
    "<ErrorResponse><Error><Type>{type}</Type>{body}</Error><RequestId>{id}</RequestId></ErrorResponse>"
)
EC2_ERROR = "<Response><Errors><Error>{body}</Error></Errors><RequestID>{id}</RequestID></Response>"
S3_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error>{body}<RequestId>{id}</RequestId></Error>'
FIRST_SERVER_ERROR = 500


@dataclass(frozen=True)
class CallFacts:
    """What is known of a call before it is done. `clusters` are the ids and names that it mentions."""

    service: str
    operation: str
    principal: str | None
    clusters: Sequence[str]


@dataclass(frozen=True)
class Refusal:
    """An error instead of the call's answer."""

    code: str
    message: str
    status: int

    def render(self, service: str, *, is_json: bool) -> tuple[bytes, str]:
        """Return the document and its content type, in the protocol of the call."""
        if is_json:
            document = {"__type": self.code, "message": self.message, "Message": self.message}
            return json.dumps(document).encode(), JSON_TYPE
        code, message = html.escape(self.code, quote=False), html.escape(self.message, quote=False)
        body = f"<Code>{code}</Code><Message>{message}</Message>"
        form = {"ec2": EC2_ERROR, "s3": S3_ERROR}.get(service, QUERY_ERROR)
        kind = "Receiver" if self.status >= FIRST_SERVER_ERROR else "Sender"
        return form.format(body=body, id="emrbox-fault", type=kind).encode(), XML_TYPE


@dataclass(frozen=True)
class CallEffect:
    """What happens to one call. `reset` comes before the call is done, `reply_lost` after it."""

    refusal: Refusal | None = None
    reset: bool = False
    reply_lost: bool = False
    slow_seconds: float = 0.0


NO_EFFECT = CallEffect()


class CallHook(Protocol):
    """Decides what happens to calls."""

    @property
    def is_active(self) -> bool:
        """Whether any call may be changed now; if not, the endpoint does not ask."""

    def effect_on(self, call: CallFacts) -> CallEffect:
        """Return what happens to a call."""


class NoHook:
    """The hook of an endpoint without faults."""

    is_active = False

    def effect_on(self, _call: CallFacts) -> CallEffect:
        """Return that nothing happens to the call."""
        return NO_EFFECT
