"""A page of a node, fetched for a browser on the host; links by the nodes' own names are rewritten."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from emrbox.front.own_api import PEERS
from emrbox.nodes.network import host_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.wrappers import Request

DOMAIN = "nodes.localhost"
TIMEOUT_SECONDS = 30.0
REWRITTEN = frozenset({"text/html", "application/json"})
MOST_REWRITTEN_BYTES = 16_000_000
CHUNK_BYTES = 64 * 1024
ASKED = ("Accept", "Accept-Language", "If-Modified-Since", "If-None-Match", "User-Agent")
# The body's length and form are this server's; a node must not set the browser's cookies.
NOT_PASSED_ON = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "set-cookie", "transfer-encoding"}
)
# http://ip-10-213-8-4.ec2.internal:8088, //10.213.8.4:8088; in JSON the slashes may be escaped.
_LINK = re.compile(rb"(\\?/\\?/)(?:ip-)?(\d+)[.-](\d+)[.-](\d+)[.-](\d+)(?:\.ec2\.internal)?:(\d{1,5})\b")


@dataclass(frozen=True)
class Page:
    """A page of a node. `prefix` is below what path of its host the browser sees the pages of this port.

    None: the host is that of `host_of`.
    """

    address: str
    port: int
    path: str  # with its query, as it was sent
    prefix: str | None = None


def host_of(address: str, port: int) -> str:
    """Return the name under which a browser finds a port of a node."""
    return f"p{port}.ip-{address.replace('.', '-')}.{DOMAIN}"


def refusal(request: Request) -> Response | None:
    """Return the refusal of what no person reads in a browser on this machine; None for all else."""
    if request.remote_addr not in PEERS or _is_embedded(request):
        return say(403, "only for a browser on this machine, and not for pages of others")
    if request.method not in {"GET", "HEAD"}:
        return say(405, "nodes' pages are only read here; to change something, use the AWS API or ssh")
    return None


def _is_embedded(request: Request) -> bool:
    """Whether another site's page sends the request, not a person who follows a link (Sec-Fetch headers)."""
    headers = request.headers
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate"


def fetch(request: Request, page: Page) -> Response:
    """Return a page as the browser is to see it; 502 if the node does not answer."""
    try:
        return _fetch(request, page)
    except (OSError, OverflowError, http.client.HTTPException) as problem:
        return say(502, f"{page.address} port {page.port}: {problem}")


def _fetch(request: Request, page: Page) -> Response:
    connection = http.client.HTTPConnection(page.address, page.port, timeout=TIMEOUT_SECONDS)
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    if page.prefix:
        # Spark begins its links with it (UIUtils.uiRoot).
        headers["X-Forwarded-Context"] = page.prefix
    try:
        connection.request(request.method, page.path, headers=headers)
        found = connection.getresponse()
    except BaseException:
        connection.close()
        raise
    put_right = _links_to(request.host.partition(":")[2] or "80")
    kind = found.headers.get_content_type()
    response = Response(
        _body(connection, found, put_right if kind in REWRITTEN else None),
        status=found.status,
        direct_passthrough=True,
    )
    del response.headers["Content-Type"]
    for name, value in found.getheaders():
        if name.lower() == "location":
            response.headers["Location"] = _location(value, page, put_right)
        elif name.lower() not in NOT_PASSED_ON:
            response.headers.add(name, value)
    return response


def _location(value: str, page: Page, put_right: Callable[[bytes], bytes]) -> str:
    """Return where the browser is to go: to the same host, for another page of this port."""
    there = urlsplit(value)
    names = (page.address, host_name(page.address))
    if page.prefix is not None and there.netloc in {"", *(f"{name}:{page.port}" for name in names)}:
        path = there.path if f"{there.path}/".startswith(f"{page.prefix}/") else page.prefix + there.path
        return path + (f"?{there.query}" if there.query else "")
    return put_right(value.encode("latin-1")).decode("latin-1")


def _body(
    connection: http.client.HTTPConnection,
    found: http.client.HTTPResponse,
    put_right: Callable[[bytes], bytes] | None,
) -> Iterator[bytes]:
    try:
        if put_right is not None:
            yield put_right(found.read(MOST_REWRITTEN_BYTES))
        while data := found.read(CHUNK_BYTES):
            yield data
    finally:
        connection.close()


def _links_to(own_port: str) -> Callable[[bytes], bytes]:
    def link(match: re.Match[bytes]) -> bytes:
        slashes, *address, port = match.groups()
        name = host_of(b".".join(address).decode(), int(port))
        return slashes + f"{name}:{own_port}".encode()

    return lambda text: _LINK.sub(link, text)


def say(status: int, text: str) -> Response:
    """Return a text of emrbox's own in place of a page."""
    return Response(f"emrbox: {text}\n", status=status, content_type="text/plain; charset=utf-8")
