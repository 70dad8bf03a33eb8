"""The client of a running box's own HTTP API, below /_emrbox/: for commands, the pytest plugin and tests."""

from __future__ import annotations

import json
from typing import Any

from emrbox.errors import BoxError

PREFIX = "/_emrbox/"
TIMEOUT_SECONDS = 120.0  # a clock that is moved far does much before it answers
_FIRST_ERROR_STATUS = 400


class RefusedError(BoxError, ValueError):
    """The box has refused a request; the message is its reason."""


class Client:
    """One box, by its endpoint (http://127.0.0.1:4566). BoxError when it does not answer."""

    def __init__(self, endpoint: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.endpoint = endpoint
        self._timeout_seconds = timeout_seconds

    def get(self, page: str, **query: str) -> Any:
        """Return a page. RefusedError with the box's reason when it refuses."""
        from urllib.parse import urlencode  # noqa: PLC0415  # `emrbox --help` must be quick

        return self._ask("GET", f"{page}?{urlencode(query)}" if query else page, None)

    def post(self, page: str, **document: Any) -> Any:
        """Change something; return what the box answers. RefusedError with its reason when it refuses."""
        return self._ask("POST", page, json.dumps(document))

    def _ask(self, method: str, page: str, body: str | None) -> Any:
        import http.client  # noqa: PLC0415  # as above

        address = self.endpoint.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=self._timeout_seconds)
        try:
            connection.request(method, PREFIX + page, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as problem:
            raise BoxError(f"the box does not answer ({problem}): emrbox logs") from problem
        finally:
            connection.close()
        if answer.status >= _FIRST_ERROR_STATUS:
            reason = document.get("error", document) if isinstance(document, dict) else document
            raise RefusedError(str(reason))
        return document
