"""Nodes' pages as a browser on the host asks for them; this process plays the node, at 127.0.0.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from local_daemon import serving
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from emrbox.front.page.node_pages import NodePages, is_for_node
from emrbox.front.page.relay import host_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

    from local_daemon import Answer

NAME = "ip-10-213-8-4.ec2.internal"
PAGE = f"""<a href="http://{NAME}:8088/proxy/app/">driver</a>
<a href='//{NAME}:8042/node'>node</a>
<a href="http:\\/\\/10.213.8.5:8042\\/logs">logs</a>
<a href="/cluster/app">app</a> 1.2.3.4:5"""


def page(request: BaseHTTPRequestHandler) -> Answer:
    kinds = {"/text": "text/plain", "/moved": "text/html"}
    headers = {"Content-Type": kinds.get(request.path, "text/html;charset=utf-8"), "Set-Cookie": "a=b"}
    if request.path == "/moved":
        return 302, PAGE.encode(), {**headers, "Location": f"http://{NAME}:8088/proxy/app/"}
    body = request.path if request.path.startswith("/echo") else PAGE
    return 200, body.encode(), headers


class Browser:
    def __init__(self, port: int) -> None:
        pages = NodePages({"127.0.0.1"}.__contains__)
        self.host = host_of("127.0.0.1", port)
        nothing = Response(status=404)
        self._client = Client(
            lambda environ, start: (pages.site(Request(environ)) or nothing)(environ, start)
        )

    def ask(
        self,
        path: str,
        headers: Any = None,
        *,
        host: str | None = None,
        method: str = "GET",
        peer: str = "127.0.0.1",
    ) -> Any:
        headers = {"Host": f"{host or self.host}:4567", **(headers or {})}
        return self._client.open(path, method=method, headers=headers, environ_base={"REMOTE_ADDR": peer})


@pytest.fixture
def browser() -> Iterator[Browser]:
    with serving(page) as port:
        yield Browser(port)


def test_links_by_names_that_the_host_does_not_know_lead_back_here(browser: Browser) -> None:
    answer = browser.ask("/cluster")
    here = "nodes.localhost:4567"
    assert answer.text.splitlines() == [
        f'<a href="http://p8088.ip-10-213-8-4.{here}/proxy/app/">driver</a>',
        f"<a href='//p8042.ip-10-213-8-4.{here}/node'>node</a>",
        f'<a href="http:\\/\\/p8042.ip-10-213-8-5.{here}\\/logs">logs</a>',
        '<a href="/cluster/app">app</a> 1.2.3.4:5',
    ]
    moved = browser.ask("/moved")
    assert moved.status_code == 302
    assert moved.headers["Location"] == f"http://p8088.ip-10-213-8-4.{here}/proxy/app/"
    assert browser.ask("/text").text == PAGE


def test_a_path_arrives_as_it_was_sent_and_no_cookie_comes_back(browser: Browser) -> None:
    answer = browser.ask("/echo/a%2Fb?x=%26&y")
    assert answer.text == "/echo/a%2Fb?x=%26&y"
    assert answer.headers["Content-Type"] == "text/html;charset=utf-8"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (403, {"peer": "10.213.8.5"}),
        (403, {"headers": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}}),
        (200, {"headers": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}}),
        (405, {"method": "POST"}),
        (405, {"method": "PUT"}),
        (404, {"host": host_of("10.213.8.9", 8088)}),
        (404, {"host": "evil.nodes.localhost"}),
        (502, {"host": host_of("127.0.0.1", 1)}),
        (502, {"host": host_of("127.0.0.1", 99999)}),
    ],
)
def test_only_a_person_s_browser_reads_and_only_what_runs(
    browser: Browser, status: int, changes: dict[str, Any]
) -> None:
    assert browser.ask("/", **changes).status_code == status


def test_buckets_and_the_endpoint_itself_are_no_nodes() -> None:
    assert is_for_node(host_of("10.213.8.4", 8088))
    assert not any(map(is_for_node, ["127.0.0.1", "localhost", "bucket.localhost", "nodes.localhost"]))
