"""The instance metadata service: a listener in each node's own network namespace, one server.

The peer's address is the same in every node, so a node is known by the socket that was connected to. Version
2 wants a token with each request; version 1, without one, answers if the instance's metadata options let it.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import contextlib
import json
import secrets
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Protocol

from emrbox.nodes.metadata_tree import InstanceFacts, RoleCredentials, documents, look_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrbox.nodes.tree import NodeSpec

_TOKEN_PATH = "/latest/api/token"  # noqa: S105  # a path
_TOKEN_SECONDS_AT_MOST = 21600
_ROOTS = ("meta-data", "dynamic", "user-data")


class FactsSource(Protocol):
    """Where the metadata comes from, asked at each request."""

    def facts(self, instance_id: str) -> InstanceFacts:
        """Return what EC2 knows now."""

    def credentials(self, instance_id: str) -> RoleCredentials | None:
        """Return the instance role's credentials, None without a role."""


@dataclass
class _Endpoint:
    """One node's metadata service."""

    spec: NodeSpec
    source: FactsSource
    tokens: dict[str, float] = field(default_factory=dict)

    def new_token(self, seconds: int) -> str:
        now = time.monotonic()
        self.tokens = {token: end for token, end in self.tokens.items() if end > now}
        token = secrets.token_urlsafe(42)
        self.tokens[token] = now + seconds
        return token

    def knows(self, token: str) -> bool:
        return self.tokens.get(token, 0.0) > time.monotonic()

    def facts(self) -> InstanceFacts:
        return self.source.facts(self.spec.instance_id)

    def read(self, path: str) -> bytes | None:
        if path == "user-data":
            return self.spec.user_data
        credentials = f"meta-data/iam/security-credentials/{self.spec.role_name}"
        if self.spec.role_name and path == credentials:
            return self._credentials()
        text = look_up(documents(self.spec, self.facts()), path)
        return None if text is None else text.encode()

    def _credentials(self) -> bytes | None:
        session = self.source.credentials(self.spec.instance_id)
        if session is None:
            return None
        document = {
            "Code": "Success",
            "LastUpdated": session.last_updated,
            "Type": "AWS-HMAC",
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.token,
            "Expiration": session.expiration,
        }
        return json.dumps(document, indent=2).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    sys_version = ""
    timeout = 10.0  # an idle connection's thread ends
    server: _Endpoint  # type: ignore[assignment]  # the base class only keeps it

    def do_PUT(self) -> None:  # the base class's name
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != _TOKEN_PATH:
            self._answer(404)
        elif self.headers.get("X-Forwarded-For"):
            self._answer(403)
        elif not seconds.isdigit() or not 1 <= int(seconds) <= _TOKEN_SECONDS_AT_MOST:
            self._answer(400)
        else:
            token = self.server.new_token(int(seconds))
            # The hop limit is the TTL of the packets of this answer (EC2 User Guide).
            self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.server.facts().hop_limit)
            self._answer(200, token.encode(), {"X-aws-ec2-metadata-token-ttl-seconds": seconds})

    def do_GET(self) -> None:  # the base class's name
        token = self.headers.get("X-aws-ec2-metadata-token")
        if self.server.facts().requires_token if token is None else not self.server.knows(token):
            self._answer(401)
            return
        path = self.path.partition("?")[0].strip("/")
        version, _, below = path.partition("/")
        if not version:
            self._answer(200, b"latest")
        elif not below:
            self._answer(200, "\n".join(_ROOTS).encode())
        else:
            found = self.server.read(below)
            if found is None:
                self._answer(404)
            else:
                self._answer(200, found)

    def _answer(
        self, status: int, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        if body is None:
            body = f"<html><head><title>{status}</title></head><body>{status}</body></html>\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if status == 200 else "text/html")  # noqa: PLR2004  # HTTP
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: Hadoop sends a request every few seconds."""


class MetadataServer:
    """Serves every node's metadata socket. One thread accepts, one thread serves each connection."""

    def __init__(self, source: FactsSource) -> None:
        self._source = source
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._accept, name="imds", daemon=True)
        self._lock = threading.Lock()

    def add(self, listening: socket.socket, spec: NodeSpec) -> None:
        """Serve this socket for this node from now on."""
        with self._lock:
            listening.settimeout(0)
            self._selector.register(listening, selectors.EVENT_READ, _Endpoint(spec, self._source))
            if not self._thread.is_alive():
                self._thread.start()

    def remove(self, listening: socket.socket) -> None:
        """Stop serving this socket and close it."""
        with self._lock, contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(listening)
        listening.close()

    def _accept(self) -> None:
        while True:
            for key, _ in self._selector.select():
                listening: socket.socket = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                with contextlib.suppress(OSError):  # the node ended in between
                    connection, peer = listening.accept()
                    thread = threading.Thread(target=_serve, args=(connection, peer, key.data), daemon=True)
                    thread.start()


def _serve(connection: socket.socket, peer: object, endpoint: _Endpoint) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(_Handler.timeout)
        _Handler(connection, peer, endpoint)  # type: ignore[arg-type]  # an endpoint is all that the handler asks for
