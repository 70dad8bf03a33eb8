"""HTTP of the daemons on nodes. A step may answer in a daemon's place, so redirects are not followed."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import IO, Any

TIMEOUT_SECONDS = 10.0
MOST_ANSWER_BYTES = 16_000_000

# Without the handlers of urlopen for redirects, proxies and other schemes.
_OPENER = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.HTTPHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.UnknownHandler,
):
    _OPENER.add_handler(_handler())


def open_url(url: str, method: str = "GET", document: Any = None) -> IO[bytes]:
    """Send a request, with a document as JSON; return the answer, to be closed by the caller.

    Raises OSError; FileNotFoundError on status 404.
    """
    body = None if document is None else json.dumps(document).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310  # only http opens
        answer: IO[bytes] = _OPENER.open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as problem:
        with contextlib.closing(problem):
            kind = FileNotFoundError if problem.code == HTTPStatus.NOT_FOUND else OSError
            raise kind(f"{url}: {problem}") from None
    except (http.client.HTTPException, ValueError) as problem:  # no HTTP, or no URL
        raise OSError(f"{url}: {problem!r}") from None
    return answer


def read_json(url: str) -> Any:
    """Return a JSON answer of at most MOST_ANSWER_BYTES. Errors are OSError, as of `open_url`."""
    with open_url(url) as answer:
        try:
            return json.loads(answer.read(MOST_ANSWER_BYTES))
        except (http.client.HTTPException, ValueError, RecursionError) as problem:
            raise OSError(f"{url}: no JSON of at most {MOST_ANSWER_BYTES} bytes: {problem!r}") from None


def json_or_none(url: str) -> Any:
    """Return a JSON answer; None without one."""
    try:
        return read_json(url)
    except OSError:
        return None
