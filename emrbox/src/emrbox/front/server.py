"""The AWS endpoint: EMR is emrbox's own, all else is moto in the same process, every call is logged."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.exceptions import NotFound
from werkzeug.serving import make_server
from werkzeug.utils import redirect, send_from_directory
from werkzeug.wrappers import Request, Response

from emrbox.aws import (
    auth,
    calls,
    inline_policies,
    managed_policies,
    own_api,
    permissions,
    protocol,
    requests,
    s3,
)
from emrbox.aws.account import seed_account
from emrbox.aws.errors import AwsError
from emrbox.config import REPOSITORY_HOST_NAME, BoxConfig
from emrbox.control import Control
from emrbox.faults.calls import NO_FAULT, CallFacts, CallFate, Refusal, reset_connection
from emrbox.page.node_pages import is_for_node
from emrbox.page.status_page import static_file

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from emrbox.page.status_page import StatusPage

EMR_SERVICE = "elasticmapreduce"
EMR_TARGET = "ElasticMapReduce."
AMZ_JSON = "application/x-amz-json-1.1"
FIRST_ERROR_STATUS = 400
FIRST_SERVER_ERROR = 500
# Asks for no signature. The first can forget everything at a word of any web page, or of a node; the second
# is moto's idea of instance metadata, and emrbox has its own.
MOTO_OWN = ("moto-api/", "latest/meta-data/", "latest/api/")
LOG = logging.getLogger(__name__)
# moto keeps its state in plain dictionaries: one call at a time for the services whose calls are short. S3's
# conditional writes need it too. SQS and the like may wait inside a call and must hold nobody up.
ONE_AT_A_TIME = frozenset({"s3", "iam", "sts", "dynamodb", "events"})


class EmrApi(Protocol):
    """What the endpoint needs from EMR."""

    def call(self, operation: str, request: dict[str, Any], caller: auth.Caller) -> dict[str, Any]:
        """Do one operation. The request fits the model; so must the answer. Refusals are AwsError."""

    def clusters_named(self, body: bytes) -> list[str]:
        """Return ids and names of the clusters that a request's body speaks of."""

    def status(self) -> dict[str, Any]:
        """Return a summary of the clusters for people."""


@dataclass(frozen=True)
class _Received:
    """A request that was read whole. `started` is monotonic time, seconds."""

    request: Request
    body: bytes
    service: str
    started: float


class Application:
    """The WSGI application behind every socket of the box."""

    def __init__(
        self, config: BoxConfig, emr: EmrApi, control: Control, page: StatusPage | None = None
    ) -> None:
        self._config = config
        self._emr = emr
        self._own = own_api.OwnApi()
        self._own.get("health", lambda _: {"healthy": True})
        self._own.get("status", lambda _: emr.status())
        control.add_to(self._own)
        self._faults = control.call_faults
        self._page = page
        if page is not None:
            page.add_to(self._own)
        self._log = calls.CallLog(config.log_folder / "calls.jsonl")
        self._own.get("calls", self._log.page)
        self._moto: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]] = DomainDispatcherApplication(
            create_backend_app
        )
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        request = Request(environ)
        host = request.host.partition(":")[0]
        if host == REPOSITORY_HOST_NAME:
            return self._repository_file(request)(environ, start_response)
        if self._page is not None and is_for_node(host):
            return self._page.nodes.answer(request)(environ, start_response)
        if request.path == own_api.PREFIX.rstrip("/"):
            return redirect(own_api.PREFIX)(environ, start_response)
        if request.path.startswith(own_api.PREFIX):
            file = static_file(request.path.removeprefix(own_api.PREFIX))
            page = own_api.refusal(request) or file or self._own.answer(request)
            return page(environ, start_response)
        if f"{request.path.lstrip('/')}/".startswith(MOTO_OWN):
            return Response("moto's own API is closed\n", status=403)(environ, start_response)
        return self._aws_answer(_receive(request), start_response)

    def close(self) -> None:
        """Close the call log."""
        self._log.close()

    def _aws_answer(self, received: _Received, start_response: StartResponse) -> Iterable[bytes]:
        fate = self._fate(received)
        if fate.reset:
            self._cut_off(received, fate)
        if fate.refusal is not None:
            return self._refuse(received, fate.refusal, start_response)
        if received.service == EMR_SERVICE:
            response = self._emr_answer(received)
        else:
            protocol = requests.protocol_of(received.request, received.body, received.service)
            refusal = requests.refusal(received.request, received.body, protocol)
            if refusal is not None:
                return self._refuse(received, refusal, start_response)
            response = self._moto_answer(received)
            if response.status_code >= FIRST_SERVER_ERROR:
                return self._refuse(received, requests.impossible(protocol), start_response)
        if fate.slow_seconds:
            time.sleep(fate.slow_seconds)
        if fate.lost:
            self._cut_off(received, fate)
        status = response.status_code
        self._write_call(received, status, response.get_data() if status >= FIRST_ERROR_STATUS else b"")
        return response(received.request.environ, start_response)

    def _moto_answer(self, received: _Received) -> Response:
        """Let moto answer; what it cannot is status 500, and moto or this has logged why."""
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

    def _fate(self, received: _Received) -> CallFate:
        """Return what fault befalls the call; costs next to nothing while none is on."""
        if not self._faults.any:
            return NO_FAULT
        is_emr = received.service == EMR_SERVICE
        return self._faults.fate(
            CallFacts(
                service=received.service,
                operation=calls.operation_of(received.request, received.body),
                principal=_principal(received.request),
                clusters=self._emr.clusters_named(received.body) if is_emr else (),
            )
        )

    def _cut_off(self, received: _Received, fate: CallFate) -> NoReturn:
        self._write_call(received, 0, b"", fault="ReplyLost" if fate.lost else "ConnectionReset")
        reset_connection(received.request.environ)

    def _refuse(
        self, received: _Received, refusal: Refusal, start_response: StartResponse
    ) -> Iterable[bytes]:
        is_json = "X-Amz-Target" in received.request.headers
        body, content_type = refusal.render(received.service, is_json=is_json)
        self._write_call(received, refusal.status, body)
        response = Response(body, status=refusal.status, content_type=content_type)
        return response(received.request.environ, start_response)

    def _emr_answer(self, received: _Received) -> Response:
        operation = received.request.headers.get("X-Amz-Target", "").removeprefix(EMR_TARGET)
        try:
            caller = auth.authenticate(received.request, received.body, operation)
            model = protocol.operation_model("emr", operation)
            answer = self._emr.call(operation, protocol.parse_request(model, received.body), caller)
            return Response(protocol.render_answer(model, answer), content_type=AMZ_JSON)
        except AwsError as refusal:
            error = refusal
        except Exception:
            LOG.exception("EMR %s failed", operation)
            error = AwsError("InternalServerException", "An internal error occurred.", status=500)
        return Response(json.dumps(error.document), status=error.status, content_type=AMZ_JSON)

    def _write_call(
        self, received: _Received, status: int, refusal: bytes, *, fault: str | None = None
    ) -> None:
        self._log.write(
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

    def _repository_file(self, request: Request) -> Response:
        folder = self._config.images.rpm_repository
        try:
            return send_from_directory(folder, request.path.lstrip("/"), request.environ)
        except NotFound:
            return Response("no such file\n", status=404)


class Server:
    """The application on any number of sockets."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._servers: list[Any] = []

    def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Serve bound, listening sockets until `shutdown`; blocks."""
        threads = []
        for listening in sockets:
            host, port = listening.getsockname()[:2]
            server = make_server(
                host,
                port,
                self.application,
                threaded=True,
                request_handler=_RequestHandler,
                fd=listening.fileno(),
            )
            server.daemon_threads = True  # type: ignore[attr-defined]  # from ThreadingMixIn
            self._servers.append(server)
            threads.append(threading.Thread(target=server.serve_forever, name=f"http-{host}", daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def shutdown(self) -> None:
        """End `serve`, close its sockets and the call log."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self.application.close()


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc]  # moto publishes no types
    # Headers and body leave in two writes: without this, Nagle's algorithm makes the second wait for an
    # acknowledgement, 40 ms.
    disable_nagle_algorithm = True

    def log(self, *_arguments: Any) -> None:
        """Say nothing: the call log has it."""


def create_server(
    config: BoxConfig, emr: EmrApi, control: Control | None = None, page: StatusPage | None = None
) -> Server:
    """Seed the account, enforce IAM, and return the server, not yet listening."""
    s3.install()
    managed_policies.install()
    inline_policies.install()
    permissions.install()
    seed_account(config.admin_access_key_id, config.admin_secret_access_key)
    return Server(Application(config, emr, control or Control(), page))


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
    is_emr = request.headers.get("X-Amz-Target", "").startswith(EMR_TARGET)
    return _Received(request, body, EMR_SERVICE if is_emr else calls.service_of(request), started)
