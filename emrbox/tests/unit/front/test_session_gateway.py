"""Calls of gRPC through the gateway; this process plays the client and a session's server, in frames."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hpack
import pytest

from emrbox.front import http2
from emrbox.front.http2 import Frame
from emrbox.front.session_gateway import SessionGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10.0
SETTINGS = Frame(http2.SETTINGS, 0, 0)


@dataclass
class Access:
    """Admits the token of each session; counts calls."""

    sessions: dict[str, Any] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    all_over: threading.Event = field(default_factory=threading.Event)

    def admitted(self, session_id: str, token: str) -> Any:
        return self.sessions.get(session_id) if token == f"token of {session_id}" else None

    def note_calls(self, _: str, change: int) -> None:
        self.calls.append(change)
        if sum(self.calls) == 0:
            self.all_over.set()


class End:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self.connection = connection
        self.source = connection.makefile("rb")
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()

    def send(self, *frames: Frame) -> None:
        self.connection.sendall(b"".join(frame.encoded for frame in frames))

    def next(self, kind: int | None = None) -> Frame:
        while (frame := http2.read(self.source)) is not None:
            if kind is None or frame.kind == kind:
                return frame
        raise EOFError

    def fields(self) -> dict[str, str]:
        frame = self.next(http2.HEADERS)
        block = frame.header_block
        while not frame.has(http2.END_HEADERS):
            frame = self.next()
            block += frame.header_block
        return {str(name): str(value) for name, value in self.decoder.decode(block)}

    def call(self, stream: int, session: str = "is-1", token: str | None = None, **more: str) -> None:
        """Begin a call, with everything that the header table of HPACK has."""
        wanted = {
            ":method": "POST",
            ":path": "/spark.connect.SparkConnectService/Config",
            "x-aws-proxy-auth": f"token of {session}" if token is None else token,
            "authorization": session,
            **more,
        }
        self.send(Frame(http2.HEADERS, http2.END_HEADERS, stream, self.encoder.encode(list(wanted.items()))))


@dataclass
class Line:
    client: End
    access: Access
    listening: socket.socket
    servers: list[End] = field(default_factory=list)

    def server(self) -> End:
        """The server's end, after the preface."""
        end = End(self.listening.accept()[0])
        self.servers.append(end)
        assert end.source.read(len(http2.PREFACE)) == http2.PREFACE
        return end


@pytest.fixture
def line() -> Iterator[Line]:
    here, there = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(SECONDS)
        access = Access()
        for name in ("is-1", "is-2"):
            access.sessions[name] = SimpleNamespace(id=name, server=listening.getsockname(), secret="of it")
        thread = threading.Thread(target=SessionGateway(access).serve, args=(there,))
        thread.start()
        client = End(here)
        here.sendall(http2.PREFACE)
        client.send(SETTINGS)
        made = Line(client, access, listening)
        yield made
        for end in (client, *made.servers):
            end.source.close()
            end.connection.close()
        thread.join(SECONDS)
        assert not thread.is_alive()
        there.close()


def test_a_call_reaches_the_server_with_its_own_secret_and_the_answer_comes_back(line: Line) -> None:
    assert line.client.next() == SETTINGS  # before any call, which clients wait for
    line.client.send(Frame(http2.SETTINGS, http2.ACK, 0))
    line.client.call(1, extra="x" * 200)
    server = line.server()
    assert server.next() == SETTINGS
    fields = server.fields()
    assert (fields["authorization"], fields["extra"]) == ("Bearer of it", "x" * 200)
    assert "x-aws-proxy-auth" not in fields
    line.client.send(Frame(http2.DATA, http2.END_STREAM, 1, b"plan"))
    assert server.next().payload == b"plan"
    assert line.access.calls == [1]
    server.send(SETTINGS, *http2.header_frames(1, [(b":status", b"200")], ends_stream=False))
    server.send(
        Frame(http2.DATA, 0, 1, b"rows"), *http2.header_frames(1, [(b"grpc-status", b"0")], ends_stream=True)
    )
    assert line.client.next() == SETTINGS
    assert line.client.fields() == {":status": "200"}
    assert line.client.next().payload == b"rows"
    assert line.client.fields() == {"grpc-status": "0"}
    assert line.access.all_over.wait(SECONDS)


def test_fields_that_the_client_compresses_against_earlier_ones_are_understood(line: Line) -> None:
    line.client.call(1)
    server = line.server()
    first = server.fields()
    line.client.call(3)
    assert server.fields() == first


@pytest.mark.parametrize("token", ["", "token of is-2", "guess"])
def test_a_call_without_its_token_gets_no_further(line: Line, token: str) -> None:
    line.client.call(1, token=token)
    line.client.send(Frame(http2.DATA, http2.END_STREAM, 1, b"plan"))
    assert line.client.fields() == {":status": "401"}
    assert line.client.next() == http2.window_update(0, 4)
    line.client.call(3)  # the fields of the refused call count for those of later ones
    assert line.server().fields()["authorization"] == "Bearer of it"
    assert line.access.calls == [1]


def test_a_token_that_has_ended_is_refused_on_an_open_connection(line: Line) -> None:
    line.client.call(1)
    line.server()
    del line.access.sessions["is-1"]
    line.client.call(3)
    assert line.client.fields() == {":status": "401"}


def test_a_connection_is_for_one_session(line: Line) -> None:
    line.client.call(1)
    line.server()
    line.client.call(3, session="is-2")
    assert line.client.fields() == {":status": "401"}


def test_a_session_whose_server_is_gone_is_unavailable(line: Line) -> None:
    line.access.sessions["is-1"].server = ("127.0.0.1", 1)
    line.client.call(1)
    assert line.client.fields() == {":status": "503"}


def test_calls_are_over_when_either_side_goes(line: Line) -> None:
    line.client.call(1)
    line.client.call(3)
    server = line.server()
    server.next(http2.HEADERS)
    server.next(http2.HEADERS)
    server.connection.shutdown(socket.SHUT_RDWR)
    assert line.access.all_over.wait(SECONDS)
    with pytest.raises(EOFError):
        line.client.next(http2.DATA)


def test_a_cancelled_call_is_over(line: Line) -> None:
    line.client.call(1)
    server = line.server()
    server.next(http2.HEADERS)
    line.client.send(Frame(http2.RST_STREAM, 0, 1, b"\0\0\0\x08"))
    assert server.next().kind == http2.RST_STREAM
    assert line.access.all_over.wait(SECONDS)


def test_fields_in_several_frames_and_with_padding_are_one_list(line: Line) -> None:
    block = line.client.encoder.encode([("authorization", "is-1"), ("x-aws-proxy-auth", "token of is-1")])
    padded = bytes([2]) + b"\0" * 5 + block[:10] + b"\0\0"
    line.client.send(
        Frame(http2.HEADERS, http2.PADDED | http2.PRIORITY | http2.END_STREAM, 1, padded),
        Frame(http2.CONTINUATION, http2.END_HEADERS, 1, block[10:]),
    )
    assert line.server().fields() == {"authorization": "Bearer of it"}


def test_long_fields_arrive_in_several_frames(line: Line) -> None:
    line.client.call(1, long="y" * 40_000)
    assert line.server().fields()["long"] == "y" * 40_000


@pytest.mark.parametrize(
    "frames",
    [
        [Frame(http2.HEADERS, 0, 1, b"\x82"), SETTINGS],
        [Frame(http2.HEADERS, http2.END_HEADERS | http2.PADDED, 1, b"\xff")],
        [Frame(http2.HEADERS, http2.END_HEADERS, 1, b"\xff\xff\xff\xff\xff")],
        [Frame(0x6, 0, 0, b"12345678")] * 200,
    ],
)
def test_what_is_no_http2_ends_the_connection(line: Line, frames: list[Frame]) -> None:
    line.client.next()
    line.client.send(*frames)
    with pytest.raises((EOFError, ConnectionError)):
        line.client.next()
