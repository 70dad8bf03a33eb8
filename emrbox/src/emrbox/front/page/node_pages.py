"""The web pages of nodes' daemons for a browser on the host: YARN's, Spark's, whatever listens on a node.

    http://p8088.ip-10-213-8-4.nodes.localhost:4566/cluster     port 8088 of 10.213.8.4

Browsers take every name below `localhost` for this machine, so nothing has to be set up, and a box without
root, whose nodes the host cannot reach, shows its pages too. Each port of each node is an origin of its own:
what a node serves is foreign content, and can read neither the status page nor another node's. Pages are only
read here, by GET and HEAD; links by the nodes' own names, which the host does not know, are rewritten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emrbox.front.page import relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Request, Response

_HOST = re.compile(r"p(\d{1,5})\.ip-(\d+)-(\d+)-(\d+)-(\d+)\." + re.escape(relay.DOMAIN))


def is_for_node(host: str) -> bool:
    """Whether a request with this Host, without its port, is for a node's page."""
    return host.endswith(f".{relay.DOMAIN}")


class NodePages:
    """Fetches them. `has_node` says whether a node of the box runs at an address."""

    def __init__(self, has_node: Callable[[str], bool]) -> None:
        self._has_node = has_node

    def site(self, request: Request) -> Response | None:
        """Answer a request for a node's page; None for all others."""
        host = request.host.partition(":")[0]
        if not is_for_node(host):
            return None
        if (refused := relay.refusal(request)) is not None:
            return refused
        named = _HOST.fullmatch(host)
        if named is None or not self._has_node(address := ".".join(named.groups()[1:])):
            return relay.say(404, "no node runs there")
        return relay.fetch(request, relay.Page(address, int(named[1]), request.environ["REQUEST_URI"]))
