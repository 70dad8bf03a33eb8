"""Pages of application UIs as a browser with a presigned URL asks for them; this process plays the node."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from local_daemon import serving
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.presigned import Presigned
from emrbox.front.page import app_pages
from emrbox.front.page.app_pages import AppPages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

    from local_daemon import Answer

HOUR = 3600
ON_CLUSTER, OFF_CLUSTER = "j-ABC", "p-abc"


def page(request: BaseHTTPRequestHandler) -> Answer:
    """Return what was asked; some paths lead to others."""
    path, headers = request.path, request.headers
    here = f"http://{headers['Host']}"
    moved = {"/one": f"{here}/history/one?a=b", "/two": "/shs/two", "/three": "http://10.0.0.9:8042/node"}
    location = {"Location": moved[path]} if path in moved else {}
    body = f"{path} {headers['X-Forwarded-Context']} {headers['Cookie']}".encode()
    return 302 if location else 200, body, {"Content-Type": "text/plain", **location}


class Browser:
    def __init__(self) -> None:
        self.clock = MovableClock(datetime(2026, 11, 1, tzinfo=UTC))
        self.clock.freeze()
        self.presigned = Presigned(self.clock, 4566)
        self.served = {ON_CLUSTER.lower(): "127.0.0.1", OFF_CLUSTER: "127.0.0.1"}
        pages = AppPages(self.presigned, self.served.get)
        nothing = Response("not mine", status=404)
        self._client = Client(
            lambda environ, start: (pages.site(Request(environ)) or nothing)(environ, start)
        )

    def open(self, url: str, *, host: str = "", peer: str = "127.0.0.1", **more: Any) -> Any:
        parts = urlsplit(url)
        headers = {"Host": host or parts.netloc, **more.pop("headers", {})}
        return self._client.open(
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            base_url=f"http://{headers['Host']}",
            headers=headers,
            environ_base={"REMOTE_ADDR": peer},
            **more,
        )

    def enter(self, ui: str) -> str:
        """Open a presigned URL; return the address to which it leads."""
        url = self.presigned.url(ui, "/shs/")
        assert self.open(url).headers["Location"] == "/shs/"
        return url.partition("/shs/")[0]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    with serving(page) as port:
        for name in ("HISTORY_SERVER_PORT", "RESOURCE_MANAGER_HTTP_PORT"):
            monkeypatch.setattr(app_pages, name, port)
        yield Browser()


def test_a_url_opens_its_ui_and_the_cookie_keeps_it_open(browser: Browser) -> None:
    here = browser.enter(OFF_CLUSTER)
    assert (
        browser.open(f"{here}/shs/api/v1/applications?limit=1").text
        == "/api/v1/applications?limit=1 /shs None"
    )
    browser.clock.advance(HOUR - 1)
    assert browser.open(f"{here}/shs/").status_code == 200
    browser.clock.advance(1)
    assert browser.open(f"{here}/shs/").status_code == 403


def test_a_url_works_once_and_within_an_hour(browser: Browser) -> None:
    url = browser.presigned.url(ON_CLUSTER, "/cluster")
    assert browser.open(url).status_code == 302
    assert browser.open(url).status_code == 403
    late = browser.presigned.url(ON_CLUSTER, "/cluster")
    browser.clock.advance(HOUR)
    assert browser.open(late).status_code == 403


def test_a_url_opens_no_other_ui(browser: Browser) -> None:
    url = browser.presigned.url(ON_CLUSTER, "/shs/")
    assert browser.open(url.replace("j-abc", OFF_CLUSTER)).status_code == 403
    here = browser.enter(ON_CLUSTER)
    cookie = browser.open(browser.presigned.url(ON_CLUSTER, "/")).headers["Set-Cookie"].partition(";")[0]
    for ui, status in ((OFF_CLUSTER, 403), (ON_CLUSTER.lower(), 200)):
        page = f"{here.replace('j-abc', ui)}/shs/"
        assert browser.open(page, headers={"Cookie": cookie}).status_code == status


def test_the_cookie_is_for_this_host_and_not_for_scripts(browser: Browser) -> None:
    cookie = browser.open(browser.presigned.url(ON_CLUSTER, "/cluster")).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Domain" not in cookie


def test_yarn_is_at_the_top_of_a_cluster_s_host_and_spark_below_it(browser: Browser) -> None:
    here = browser.enter(ON_CLUSTER)
    assert browser.open(f"{here}/proxy/application_1_1/").text == "/proxy/application_1_1/ None None"
    assert browser.open(f"{here}/shs/history/").text == "/history/ /shs None"
    for path, first in (("/", "/cluster"), ("/rm", "/cluster"), ("/shs", "/shs/")):
        assert browser.open(f"{here}{path}").headers["Location"] == first


def test_off_the_cluster_is_nothing_but_the_history_server(browser: Browser) -> None:
    here = browser.enter(OFF_CLUSTER)
    assert browser.open(f"{here}/").headers["Location"] == "/shs/"
    assert browser.open(f"{here}/cluster").status_code == 404


def test_redirects_stay_below_the_path_under_which_the_browser_sees_the_pages(browser: Browser) -> None:
    here = browser.enter(ON_CLUSTER)
    for path, target in (
        ("one", "/shs/history/one?a=b"),
        ("two", "/shs/two"),
        ("three", "http://p8042.ip-10-0-0-9.nodes.localhost:4566/node"),
    ):
        assert browser.open(f"{here}/shs/{path}").headers["Location"] == target
    assert browser.open(f"{here}/one").headers["Location"] == "/history/one?a=b"


def test_what_is_not_served_any_more_is_not_found(browser: Browser) -> None:
    here = browser.enter(ON_CLUSTER)
    browser.served.clear()
    assert browser.open(f"{here}/shs/").status_code == 404


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (403, {"peer": "10.213.8.5"}),
        (403, {"headers": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}}),
        (405, {"method": "POST"}),
        (404, {"host": "x.emrappui.localhost:4566"}),
    ],
)
def test_only_a_person_s_browser_reads(browser: Browser, status: int, changes: dict[str, Any]) -> None:
    here = browser.enter(ON_CLUSTER)
    assert browser.open(f"{here}/shs/", **changes).status_code == status


def test_other_hosts_are_not_application_uis(browser: Browser) -> None:
    for host in ("127.0.0.1:4566", "emrappui.localhost:4566", "bucket.localhost"):
        assert browser.open("http://any/", host=host).text == "not mine"
