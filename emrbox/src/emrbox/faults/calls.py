"""Faults of single calls: decided before a call, acted on before or after its effect."""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NoReturn
from xml.sax.saxutils import escape

from emrbox.faults.book import EMR, Fault, FaultBook
from emrbox.faults.buckets import Buckets
from emrbox.faults.kinds import Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed.wsgi import WSGIEnvironment

    from emrbox.emr.life.store import Store

JSON_TYPE, XML_TYPE = "application/x-amz-json-1.1", "text/xml"
QUERY_ERROR = (
    "<ErrorResponse><Error><Type>{type}</Type>{body}</Error><RequestId>{id}</RequestId></ErrorResponse>"
)
EC2_ERROR = "<Response><Errors><Error>{body}</Error></Errors><RequestID>{id}</RequestID></Response>"
S3_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error>{body}<RequestId>{id}</RequestId></Error>'
FIRST_SERVER_ERROR = 500


@dataclass(frozen=True)
class CallFacts:
    """What is known of a call before it is done. `clusters` are the ids and names that it speaks of."""

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
        body = f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
        form = {"ec2": EC2_ERROR, "s3": S3_ERROR}.get(service, QUERY_ERROR)
        kind = "Receiver" if self.status >= FIRST_SERVER_ERROR else "Sender"
        return form.format(body=body, id="emrbox-fault", type=kind).encode(), XML_TYPE


@dataclass(frozen=True)
class CallFate:
    """What befalls one call."""

    refusal: Refusal | None = None
    reset: bool = False
    lost: bool = False
    slow_seconds: float = 0.0


NO_FAULT = CallFate()
THROTTLED = Refusal("ThrottlingException", "Rate exceeded", 400)


class CallFaults:
    """Decides what befalls calls."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book
        self._buckets: dict[str, Buckets] = {}
        book.on_add.append(self._fill)
        book.on_remove.append(self._empty)

    @property
    def any(self) -> bool:
        """Whether any call may meet a fault now."""
        return bool(self._book.of(Where.CALL))

    def fate(self, call: CallFacts) -> CallFate:
        """Return what befalls a call; the first fault that strikes decides."""
        for fault in self._book.of(Where.CALL):
            if fault.kind.name != "lag" and _is_in_scope(fault, call):
                fate = self._throttle(fault, call) if fault.kind.name == "throttle" else self._other(fault)
                if fate is not NO_FAULT:
                    return fate
        return NO_FAULT

    def _other(self, fault: Fault) -> CallFate:
        if not self._book.spend(fault):
            return NO_FAULT
        values = fault.parameters
        match fault.kind.name:
            case "reset":
                return CallFate(reset=True)
            case "lost-reply":
                return CallFate(lost=True)
            case "slow":
                return CallFate(slow_seconds=values["seconds"])
            case _:
                return CallFate(Refusal(values["code"], values["message"], values["status"]))

    def _throttle(self, fault: Fault, call: CallFacts) -> CallFate:
        buckets = self._buckets.get(fault.id)
        if buckets is None or buckets.take(call.operation) or not self._book.spend(fault):
            return NO_FAULT
        return CallFate(THROTTLED)

    def _fill(self, fault: Fault) -> None:
        if fault.kind.name == "throttle":
            self._buckets[fault.id] = Buckets(**fault.parameters)

    def _empty(self, fault: Fault) -> None:
        self._buckets.pop(fault.id, None)


def _is_in_scope(fault: Fault, call: CallFacts) -> bool:
    if fault.kind.name in {"throttle", "termination-refused"} and call.service != EMR:
        return False
    if fault.kind.name == "termination-refused" and call.operation != "TerminateJobFlows":
        return False
    return (
        fnmatchcase(call.service, fault.service)
        and fnmatchcase(call.operation, fault.operation)
        and fnmatchcase(call.principal or "", fault.principal)
        and fault.covers(call.clusters)
    )


def clusters_of(body: bytes, store: Store) -> list[str]:
    """Return the ids and names of the clusters that the body of a call to EMR speaks of."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    ids = document.get("JobFlowIds")
    found = [i for i in ids if isinstance(i, str)] if isinstance(ids, list) else []
    found += [i for m in ("ClusterId", "JobFlowId", "ResourceId") if isinstance(i := document.get(m), str)]
    names = [cluster.name for i in found if (cluster := store.find(i)) is not None]
    own = document.get("Name")
    return [*found, *names, *([own] if isinstance(own, str) else [])]


def reset_connection(environ: WSGIEnvironment) -> NoReturn:
    """Close the client's connection with RST. Raises ConnectionResetError, which ends the request."""
    connection: Any = environ.get("werkzeug.socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Not `close`: the streams on the socket would keep it open, and a shutdown would send FIN first.
        os.close(connection.detach())
    raise ConnectionResetError("a fault has reset the connection")
