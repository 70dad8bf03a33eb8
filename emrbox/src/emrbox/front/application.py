"""The WSGI application: EMR and Athena are emrbox's own, all else is moto in this process; a log of all."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from emrbox.aws import auth, protocol, requests
from emrbox.aws.call_hook import NO_EFFECT, CallEffect, CallFacts, CallHook, NoHook, Refusal
from emrbox.aws.errors import AwsError
from emrbox.front import calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from emrbox.config import BoxConfig

# Answers the requests that are its own; None leaves a request to the others.
Site = Callable[[Request], Response | None]
EMR_SERVICE = "elasticmapreduce"
ATHENA_SERVICE = "athena"
# The services of emrbox's own -> the prefix of their calls' X-Amz-Target, and botocore's name of their model.
OWN_SERVICES = {EMR_SERVICE: ("ElasticMapReduce.", "emr"), ATHENA_SERVICE: ("AmazonAthena.", "athena")}
AMZ_JSON = "application/x-amz-json-1.1"
FIRST_ERROR_STATUS = 400
FIRST_SERVER_ERROR = 500
LOG = logging.getLogger(__name__)
# moto keeps its state in plain dictionaries: one call at a time for the services whose calls are short. S3's
# conditional writes need it too. SQS and the like may wait inside a call and must not block others.
ONE_AT_A_TIME = frozenset({"s3", "iam", "sts", "dynamodb", "events", "glue"})


class AwsApi(Protocol):
    """What the endpoint needs from a service of emrbox's own."""

    def call(self, operation: str, request: dict[str, Any], caller: auth.Caller) -> dict[str, Any]:
        """Do one operation. The request fits the model; so must the answer. Refusals are AwsError."""


class AthenaApi(AwsApi, Protocol):
    """What the endpoint needs from Athena."""

    def close(self) -> None:
        """End the queries that run."""


class EmrApi(AwsApi, Protocol):
    """What the endpoint needs from EMR."""

    def clusters_named(self, body: bytes) -> list[str]:
        """Return ids and names of the clusters that a request's body mentions."""

    def status(self) -> dict[str, Any]:
        """Return a summary of the live clusters."""


@dataclass(frozen=True)
class _Received:
    """A request that was read whole. `started` is monotonic time, seconds."""

    request: Request
    body: bytes
    service: str
    started: float


class Application:
    """The application behind every socket of the box.

    `sites` answer what is theirs; all else is a call to AWS, which `hook` may change.
    """

    def __init__(
        self,
        config: BoxConfig,
        emr: EmrApi,
        athena: AthenaApi,
        sites: Sequence[Site] = (),
        hook: CallHook | None = None,
    ) -> None:
        self._emr = emr
        self._athena = athena
        self._own: dict[str, AwsApi] = {EMR_SERVICE: emr, ATHENA_SERVICE: athena}
        self._sites = sites
        self._hook = hook or NoHook()
        self.log = calls.CallLog(config.log_folder / "calls.jsonl")
        self._moto: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]] = DomainDispatcherApplication(
            create_backend_app
        )
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        request = Request(environ)
        for site in self._sites:
            if (answer := site(request)) is not None:
                return answer(environ, start_response)
        return self._aws_answer(_receive(request), start_response)

    def end_queries(self) -> None:
        """End Athena's queries, whose calls of S3 and Glue come here, too."""
        self._athena.close()

    def close(self) -> None:
        """Close the call log."""
        self.log.close()

    def _aws_answer(self, received: _Received, start_response: StartResponse) -> Iterable[bytes]:
        effect = self._effect(received)
        if effect.reset:
            self._cut_off(received, "ConnectionReset")
        if effect.refusal is not None:
            return self._refuse(received, effect.refusal, start_response)
        if received.service in OWN_SERVICES:
            response = self._own_answer(received)
        else:
            protocol = requests.protocol_of(received.request, received.body, received.service)
            refusal = requests.refusal(received.request, received.body, protocol)
            if refusal is not None:
                return self._refuse(received, refusal, start_response)
            response = self._moto_answer(received)
            if response.status_code >= FIRST_SERVER_ERROR:
                return self._refuse(received, requests.impossible(protocol), start_response)
        if effect.slow_seconds:
            time.sleep(effect.slow_seconds)
        if effect.reply_lost:
            self._cut_off(received, "ReplyLost")
        status = response.status_code
        self._write_call(received, status, response.get_data() if status >= FIRST_ERROR_STATUS else b"")
        return response(received.request.environ, start_response)

    def _moto_answer(self, received: _Received) -> Response:
        """Return moto's answer; status 500 for what it cannot answer, after an entry in the log."""
        environ = received.request.environ
        one_at_a_time = self._one_at_a_time if received.service in ONE_AT_A_TIME else nullcontext()
        try:
            with one_at_a_time:
                response = Response.from_app(self._moto, environ, buffered=True)
        except Exception:
            LOG.exception("a call to %s failed", received.service)
            return Response(status=FIRST_SERVER_ERROR)
        if "xml" in (response.content_type or "") and not requests.is_of_object(received.request):
            response.set_data(requests.well_formed(response.get_data()))
        return response

    def _effect(self, received: _Received) -> CallEffect:
        """Return what happens to the call; costs next to nothing while no fault is on."""
        if not self._hook.is_active:
            return NO_EFFECT
        is_emr = received.service == EMR_SERVICE
        return self._hook.effect_on(
            CallFacts(
                service=received.service,
                operation=calls.operation_of(received.request, received.body),
                principal=_principal(received.request),
                clusters=self._emr.clusters_named(received.body) if is_emr else (),
            )
        )

    def _cut_off(self, received: _Received, fault: str) -> NoReturn:
        self._write_call(received, 0, b"", fault=fault)
        _reset_connection(received.request.environ)

    def _refuse(
        self, received: _Received, refusal: Refusal, start_response: StartResponse
    ) -> Iterable[bytes]:
        is_json = "X-Amz-Target" in received.request.headers
        body, content_type = refusal.render(received.service, is_json=is_json)
        self._write_call(received, refusal.status, body)
        response = Response(body, status=refusal.status, content_type=content_type)
        return response(received.request.environ, start_response)

    def _own_answer(self, received: _Received) -> Response:
        target, model_name = OWN_SERVICES[received.service]
        operation = received.request.headers.get("X-Amz-Target", "").removeprefix(target)
        try:
            caller = auth.authenticate(received.request, received.body, operation)
            model = protocol.operation_model(model_name, operation)
            answer = self._own[received.service].call(
                operation, protocol.parse_request(model, received.body), caller
            )
            return Response(protocol.render_answer(model, answer), content_type=AMZ_JSON)
        except AwsError as refusal:
            error = refusal
        except Exception:
            LOG.exception("%s %s failed", received.service, operation)
            error = AwsError("InternalServerException", "An internal error occurred.", status=500)
        return Response(json.dumps(error.document), status=error.status, content_type=AMZ_JSON)

    def _write_call(
        self, received: _Received, status: int, refusal: bytes, *, fault: str | None = None
    ) -> None:
        self.log.write(
            calls.Call(
                time=calls.timestamp(),
                client=calls.client_of(received.request),
                principal=_principal(received.request),
                service=received.service,
                operation=calls.operation_of(received.request, received.body),
                status=status,
                error=fault or calls.error_of(refusal),
                milliseconds=round((time.monotonic() - received.started) * 1000, 1),
            )
        )


def _principal(request: Request) -> str | None:
    headers = request.headers
    return auth.principal_of(headers.get("Authorization", ""), headers.get("X-Amz-Security-Token"))


def _receive(request: Request) -> _Received:
    """Read the whole body: a slow client must not hold a service's lock, and a signature covers its body."""
    started = time.monotonic()
    body = request.get_data(cache=False, parse_form_data=False)
    environ = request.environ
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("wsgi.input_terminated", None)
    asked = request.headers.get("X-Amz-Target", "")
    own = next((name for name, (target, _) in OWN_SERVICES.items() if asked.startswith(target)), None)
    return _Received(request, body, own or calls.service_of(request), started)


def _reset_connection(environ: WSGIEnvironment) -> NoReturn:
    """Close the client's connection with RST. Raises ConnectionResetError, which ends the request."""
    connection: Any = environ.get("werkzeug.socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Not `close`: the streams on the socket would keep it open, and a shutdown would send FIN first.
        os.close(connection.detach())
    raise ConnectionResetError("a fault has reset the connection")
