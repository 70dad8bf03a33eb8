"""The box's HTTP server: the application and its sites on any number of sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.exceptions import NotFound
from werkzeug.serving import make_server
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Response

from emrbox.aws import cloudformation, inline_policies, managed_policies, permissions, s3
from emrbox.aws.account import seed_account
from emrbox.config import REPOSITORY_HOST_NAME, BoxConfig
from emrbox.front.application import Application, AthenaApi, EmrApi, Site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from werkzeug.wrappers import Request

    from emrbox.aws.call_hook import CallHook
    from emrbox.front.own_api import OwnApi

TakeHttp2 = Callable[[socket.socket], None]  # serves a connection to its end
# These need no signature. The first can reset all of moto's state, at the request of any web page or node;
# the others are moto's instance metadata, and emrbox has its own.
MOTO_OWN = ("moto-api/", "latest/meta-data/", "latest/api/")


class Server:
    """The application on any number of sockets. Connections that begin as HTTP/2 are `take_http2`'s."""

    def __init__(self, application: Application, take_http2: TakeHttp2 | None = None) -> None:
        self.application = application
        self._take_http2 = take_http2
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
            server.take_http2 = self._take_http2  # type: ignore[attr-defined]  # for _RequestHandler
            server.daemon_threads = True  # type: ignore[attr-defined]  # from ThreadingMixIn
            self._servers.append(server)
            threads.append(threading.Thread(target=server.serve_forever, name=f"http-{host}", daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def shutdown(self) -> None:
        """End `serve` and Athena's queries, close its sockets and the call log."""
        self.application.end_queries()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self.application.close()


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc]  # moto publishes no types
    # Headers and body leave in two writes: without this, Nagle's algorithm makes the second wait for an
    # acknowledgement, 40 ms.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serve a connection."""
        take_http2, start = self.server.take_http2, b""
        with suppress(OSError):  # the client has gone
            start = self.connection.recv(3, socket.MSG_PEEK)
        if take_http2 is not None and start == b"PRI":
            take_http2(self.connection)
        else:
            super().handle()

    def log(self, *_arguments: Any) -> None:
        """Log nothing: the call log has the request."""


def create_server(
    config: BoxConfig,
    emr: EmrApi,
    athena: AthenaApi,
    own: OwnApi,
    *,
    sites: Sequence[Site] = (),
    hook: CallHook | None = None,
    take_http2: TakeHttp2 | None = None,
) -> Server:
    """Seed the account, enforce IAM, and return the server, not yet listening."""
    s3.install()
    cloudformation.install()
    managed_policies.install()
    inline_policies.install()
    permissions.install()
    seed_account(config.admin_access_key_id, config.admin_secret_access_key)
    all_sites = (repository_site(config.images.rpm_repository), *sites, own.site, moto_own_site)
    application = Application(config, emr, athena, all_sites, hook)
    own.get("health", lambda _: {"healthy": True})
    own.get("status", lambda _: emr.status())
    own.get("calls", application.log.page)
    return Server(application, take_http2)


def repository_site(folder: Path) -> Site:
    """Return the site of the nodes' RPM repository."""

    def site(request: Request) -> Response | None:
        if request.host.partition(":")[0] != REPOSITORY_HOST_NAME:
            return None
        try:
            return send_from_directory(folder, request.path.lstrip("/"), request.environ)
        except NotFound:
            return Response("no such file\n", status=404)

    return site


def moto_own_site(request: Request) -> Response | None:
    """Refuse what is moto's own and no API of AWS."""
    if f"{request.path.lstrip('/')}/".startswith(MOTO_OWN):
        return Response("moto's own API is closed\n", status=403)
    return None
