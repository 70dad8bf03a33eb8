"""The way from clients to Spark Connect servers: gRPC calls that carry a session's token, passed on.

EMR has a proxy for that (docs/aws_facts.md 7.2). Clients come to the box's endpoint, where a connection that
begins as HTTP/2 is theirs. Each call is checked; the server gets a secret of its own in the token's place.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Protocol

import hpack

from emrbox.front import http2

if TYPE_CHECKING:
    from typing import IO

    from emrbox.emr.life.model import Session

LOG = logging.getLogger(__name__)
TOKEN, SESSION = b"x-aws-proxy-auth", b"authorization"
CONNECT_SECONDS = 10.0
MOST_HEADER_BYTES = 65_536
# For gRPC UNAUTHENTICATED and UNAVAILABLE (its "HTTP to gRPC Status Code Mapping").
NOT_ADMITTED, NOT_THERE = b"401", b"503"


class Access(Protocol):
    """Who may use which session."""

    def admitted(self, session_id: str, token: str) -> Session | None:
        """Return a session that can be used, if the token is valid for it."""

    def note_calls(self, session_id: str, change: int) -> None:
        """Count the calls of a session that are under way."""


class SessionGateway:
    """Passes calls on, each connection to one session's server."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def serve(self, connection: socket.socket) -> None:
        """Serve one client until it or the server goes."""
        relay = _Relay(connection, self._access)
        try:
            relay.run()
        except (OSError, ValueError, hpack.HPACKError) as problem:
            LOG.info("a connection to a session ended: %s", problem)
        finally:
            relay.close()


class _Relay:
    """One client's connection, and the one to the session's server once the first call has named it."""

    def __init__(self, client: socket.socket, access: Access) -> None:
        self._client = client
        self._access = access
        self._client_lock = threading.Lock()
        self._calls_lock = threading.Lock()
        self._decoder = hpack.Decoder(max_header_list_size=MOST_HEADER_BYTES)
        self._early: list[http2.Frame] = []  # what came before the server was known
        self._server: socket.socket | None = None
        self._session: Session | None = None
        self._calls: set[int] = set()  # streams that the server has not ended
        self._refused: set[int] = set()

    def run(self) -> None:
        """Pass frames on in both directions."""
        source = self._client.makefile("rb")
        if source.read(len(http2.PREFACE)) != http2.PREFACE:
            raise ValueError("it does not begin as HTTP/2 does")
        # Clients send no call before they have settings. The server's own follow when it is connected.
        self._to_client(http2.Frame(http2.SETTINGS, 0, 0))
        own_settings = 1
        while (frame := http2.read(source)) is not None:
            if frame.kind == http2.SETTINGS and frame.has(http2.ACK) and own_settings:
                own_settings = 0
            elif frame.kind == http2.HEADERS:
                self._take_headers(frame, source)
            elif frame.stream in self._refused:
                self._drop(frame)
            else:
                self._to_server(frame)
                if frame.kind == http2.RST_STREAM:
                    self._call_ended(frame.stream)

    def close(self) -> None:
        """Close both connections; no call is under way any more."""
        for one in (self._client, self._server):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        if self._server is not None:
            self._server.close()
        for stream in list(self._calls):
            self._call_ended(stream)

    def _take_headers(self, frame: http2.Frame, source: IO[bytes]) -> None:
        """Read a whole list of fields, which must be decoded in any case, and begin the call."""
        block, last = frame.header_block, frame
        while not last.has(http2.END_HEADERS):
            following = http2.read(source)
            if following is None or following.kind != http2.CONTINUATION or len(block) > MOST_HEADER_BYTES:
                raise ValueError("a list of fields does not end")
            block, last = block + following.header_block, following
        fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        if frame.stream in self._refused or frame.stream in self._calls:
            raise ValueError("a call has two lists of fields")
        if refusal := self._admit(dict(fields)):
            self._refuse(frame.stream, refusal)
            return
        assert self._session is not None  # noqa: S101  # _admit has set it
        with self._calls_lock:
            self._calls.add(frame.stream)
        self._access.note_calls(self._session.id, 1)
        passed_on = [field for field in fields if field[0] not in {TOKEN, SESSION}]
        passed_on.append((SESSION, f"Bearer {self._session.secret}".encode()))
        for one in http2.header_frames(frame.stream, passed_on, ends_stream=frame.has(http2.END_STREAM)):
            self._to_server(one)

    def _admit(self, fields: dict[bytes, bytes]) -> bytes | None:
        """Connect to the session's server for a call that may use it; return the status of a refusal."""
        name, token = (fields.get(key, b"").decode(errors="replace") for key in (SESSION, TOKEN))
        session = self._access.admitted(name, token)
        if session is None:
            return NOT_ADMITTED
        if self._session is not None:
            return None if self._session.id == session.id else NOT_ADMITTED
        if session.server is None:
            return NOT_THERE
        try:
            server = socket.create_connection(session.server, CONNECT_SECONDS)
        except OSError:
            return NOT_THERE
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.sendall(http2.PREFACE + b"".join(frame.encoded for frame in self._early))
        self._early.clear()
        self._server, self._session = server, session
        threading.Thread(target=self._answers, args=(server,), name=f"to-{session.id}", daemon=True).start()
        return None

    def _answers(self, server: socket.socket) -> None:
        """Pass on what the server sends."""
        source = server.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            while (frame := http2.read(source)) is not None:
                if frame.kind == http2.SETTINGS and not frame.has(http2.ACK):
                    for number, value in frame.settings():
                        if number == http2.HEADER_TABLE_SIZE:
                            self._decoder.max_allowed_table_size = value
                self._to_client(frame)
                if frame.ends_stream:
                    self._call_ended(frame.stream)
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def _refuse(self, stream: int, status: bytes) -> None:
        self._refused.add(stream)
        for frame in http2.header_frames(stream, [(b":status", status)], ends_stream=True):
            self._to_client(frame)

    def _drop(self, frame: http2.Frame) -> None:
        """Take no notice of what a refused call sends; the connection may send as much again."""
        if frame.kind == http2.DATA and frame.payload:
            self._to_client(http2.window_update(0, len(frame.payload)))

    def _call_ended(self, stream: int) -> None:
        with self._calls_lock:
            was_under_way = stream in self._calls
            self._calls.discard(stream)
        if was_under_way and self._session is not None:
            self._access.note_calls(self._session.id, -1)

    def _to_client(self, frame: http2.Frame) -> None:
        with self._client_lock:
            self._client.sendall(frame.encoded)

    def _to_server(self, frame: http2.Frame) -> None:
        if self._server is None:
            self._early.append(frame)
            if len(self._early) > 100:  # noqa: PLR2004  # settings, windows, pings
                raise ValueError("no call comes")
        else:
            self._server.sendall(frame.encoded)
