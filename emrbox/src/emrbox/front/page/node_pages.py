"""The web pages of nodes' daemons for a browser on the host: YARN's, Spark's, whatever listens on a node.

    http://p8088.ip-10-213-8-4.nodes.localhost:4566/cluster     port 8088 of 10.213.8.4

Browsers take every name below `localhost` for this machine, so nothing has to be set up, and a box without
root, whose nodes the host cannot reach, shows its pages too. Each port of each node is an origin of its own:
what a node serves is foreign content, and can read neither the status page nor another node's. Pages are only
read here, by GET and HEAD; links by the nodes' own names, which the host does not know, are rewritten.
"""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from emrbox.front.own_api import PEERS

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
_HOST = re.compile(r"p(\d{1,5})\.ip-(\d+)-(\d+)-(\d+)-(\d+)\." + re.escape(DOMAIN))
# http://ip-10-213-8-4.ec2.internal:8088, //10.213.8.4:8088; in JSON the slashes may be escaped.
_LINK = re.compile(rb"(\\?/\\?/)(?:ip-)?(\d+)[.-](\d+)[.-](\d+)[.-](\d+)(?:\.ec2\.internal)?:(\d{1,5})\b")


def host_of(address: str, port: int) -> str:
    """Return the name under which a browser finds a port of a node."""
    return f"p{port}.ip-{address.replace('.', '-')}.{DOMAIN}"


def is_for_node(host: str) -> bool:
    """Whether a request with this Host, without its port, is for a node's page."""
    return host.endswith(f".{DOMAIN}")


class NodePages:
    """Fetches them. `has_node` says whether a node of the box runs at an address."""

    def __init__(self, has_node: Callable[[str], bool]) -> None:
        self._has_node = has_node

    def site(self, request: Request) -> Response | None:
        """Answer a request for a node's page; None for all others."""
        host, _, own_port = request.host.partition(":")
        if not is_for_node(host):
            return None
        named = _HOST.fullmatch(host)
        if request.remote_addr not in PEERS or _is_embedded(request):
            return _say(403, "only for a browser on this machine, and not for pages of others")
        if request.method not in {"GET", "HEAD"}:
            return _say(405, "nodes' pages are only read here; to change something, use the AWS API or ssh")
        if named is None or not self._has_node(address := ".".join(named.groups()[1:])):
            return _say(404, "no node runs there")
        try:
            return _fetch(request, address, int(named[1]), own_port or "80")
        except (OSError, OverflowError, http.client.HTTPException) as problem:
            return _say(502, f"{address} port {named[1]}: {problem}")


def _is_embedded(request: Request) -> bool:
    """Whether another site's page sends the request, not a person who follows a link (Sec-Fetch headers)."""
    headers = request.headers
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate"


def _fetch(request: Request, address: str, port: int, own_port: str) -> Response:
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    try:
        connection.request(request.method, request.environ["REQUEST_URI"], headers=headers)
        found = connection.getresponse()
    except BaseException:
        connection.close()
        raise
    put_right = _links_to(own_port)
    kind = found.headers.get_content_type()
    response = Response(
        _body(connection, found, put_right if kind in REWRITTEN else None),
        status=found.status,
        direct_passthrough=True,
    )
    del response.headers["Content-Type"]
    for name, value in found.getheaders():
        if name.lower() == "location":
            response.headers["Location"] = put_right(value.encode("latin-1")).decode("latin-1")
        elif name.lower() not in NOT_PASSED_ON:
            response.headers.add(name, value)
    return response


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


def _say(status: int, text: str) -> Response:
    return Response(f"emrbox: {text}\n", status=status, content_type="text/plain; charset=utf-8")
