"""emrbox's own JSON below /_emrbox/: for the person at this machine, not for nodes and not for web pages.

Refused are nodes, other sites' pages in a browser on this machine, and names that were made to point here:
the peer must be this machine, the Host a name of it, a page's Origin this endpoint; and a change is a POST of
application/json, which a browser sends to another origin only if that allows it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

PREFIX = "/_emrbox/"
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
PEERS = frozenset({"127.0.0.1", "::1"})
OPEN_TO_ALL = frozenset({"health"})
MOST_BYTES = 1_000_000
Document = dict[str, Any]
Get = Callable[[dict[str, str]], Any]
Post = Callable[[Document], Any]
File = Callable[[], Response]


class OwnApi:
    """Pages of JSON by name. A handler's ValueError or TypeError is the caller's mistake: 400."""

    def __init__(self) -> None:
        self._get: dict[str, Get] = {}
        self._post: dict[str, Post] = {}
        self._files: dict[str, File] = {}

    def get(self, name: str, handler: Get) -> None:
        """Answer GET with what `handler` makes of the query."""
        self._get[name] = handler

    def post(self, name: str, handler: Post) -> None:
        """Answer POST with what `handler` makes of the document."""
        self._post[name] = handler

    def file(self, name: str, handler: File) -> None:
        """Answer every request with the response that `handler` makes."""
        self._files[name] = handler

    def site(self, request: Request) -> Response | None:
        """Answer a request below /_emrbox/; None for all others."""
        if request.path == PREFIX.rstrip("/"):
            return redirect(PREFIX)
        if not request.path.startswith(PREFIX):
            return None
        return refusal(request) or self._answer(request)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix(PREFIX)
        if name in self._files:
            return self._files[name]()
        if name not in self._get and name not in self._post:
            return answer({"error": "no such page"}, status=404)
        try:
            if request.method == "GET" and name in self._get:
                return answer(self._get[name](request.args.to_dict()))
            if request.method == "POST" and name in self._post:
                return answer(self._post[name](_document(request)))
        except (ValueError, TypeError) as problem:
            return answer({"error": str(problem)}, status=400)
        return answer({"error": f"not by {request.method}"}, status=405)


def refusal(request: Request) -> Response | None:
    """Return the refusal of a request that does not come from a person at this machine; None if it does."""
    name = request.path.removeprefix(PREFIX)
    if name in OPEN_TO_ALL:
        return None
    host = request.host.rpartition(":")[0] or request.host
    origin = request.headers.get("Origin")
    if request.remote_addr not in PEERS or host not in HOSTS:
        return answer({"error": "only for this machine, at 127.0.0.1 or localhost"}, status=403)
    if origin is not None and origin != f"http://{request.host}":
        return answer({"error": "not for pages of others"}, status=403)
    if request.method not in {"GET", "HEAD"} and request.mimetype != "application/json":
        return answer({"error": "send application/json"}, status=415)
    return None


def answer(document: Any, *, status: int = 200) -> Response:
    """Return a document that only this origin may read."""
    response = Response(json.dumps(document) + "\n", status=status, content_type="application/json")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


def _document(request: Request) -> Document:
    if (request.content_length or 0) > MOST_BYTES:
        raise ValueError("too long")
    try:
        document = json.loads(request.get_data(cache=False) or b"{}", parse_constant=_refuse_constant)
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem
    if not isinstance(document, dict):
        raise TypeError("a JSON object is expected")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
