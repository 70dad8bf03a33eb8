"""Answers of daemons: what else answers in their place leads nowhere; this process plays it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from local_daemon import serving

from emrbox.emr.machines import daemon_http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

    from local_daemon import Answer


class Impostor:
    """Answers with a status and a body; `asked` are method, path and body of the requests."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b"{}"
        self.asked: list[tuple[str, str, bytes]] = []

    def reply(self, request: BaseHTTPRequestHandler) -> Answer:
        length = int(request.headers.get("Content-Length", 0))
        self.asked.append((request.command, request.path, request.rfile.read(length)))
        return self.status, self.body, {"Location": f"http://{request.headers['Host']}/elsewhere"}


@pytest.fixture
def daemon() -> Impostor:
    return Impostor()


@pytest.fixture
def url(daemon: Impostor) -> Iterator[str]:
    with serving(daemon.reply) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(daemon: Impostor, url: str, status: int) -> None:
    daemon.status = status
    with pytest.raises(OSError, match=f"HTTP Error {status}"):
        daemon_http.read_json(f"{url}/first")
    assert daemon.asked == [("GET", "/first", b"")]


def test_a_proxy_of_the_host_s_environment_is_not_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert daemon_http.read_json(url) == {}


@pytest.mark.parametrize("body", [b"no JSON", b"[" * 100_000, b"\xff", b'"' + b"x" * 2000 + b'"'])
def test_what_is_no_json_of_a_bounded_size_is_no_answer(
    daemon: Impostor, url: str, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    if b"x" in body:
        monkeypatch.setattr(daemon_http, "MOST_ANSWER_BYTES", 1000)
    daemon.body = body
    with pytest.raises(OSError, match="no JSON"):
        daemon_http.read_json(url)
    assert daemon_http.json_or_none(url) is None


def test_a_document_is_put_as_json(daemon: Impostor, url: str) -> None:
    daemon_http.open_url(f"{url}/state", "PUT", {"state": "KILLED"}).close()
    assert daemon.asked == [("PUT", "/state", b'{"state": "KILLED"}')]


def test_what_is_not_there_is_told_from_what_fails(daemon: Impostor, url: str) -> None:
    daemon.status = 404
    with pytest.raises(FileNotFoundError):
        daemon_http.open_url(url)
    daemon.status = 500
    with pytest.raises(OSError, match="HTTP Error 500") as caught:
        daemon_http.open_url(url)
    assert not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://127.0.0.1:1/", "http://h:x/"]
)
def test_what_cannot_be_asked_is_an_os_error(url: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        daemon_http.open_url(url).close()
