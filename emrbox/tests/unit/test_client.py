"""emrbox's own API as its commands and the pytest plugin call it."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from emrbox.client import Client, RefusedError
from emrbox.errors import BoxError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the path, the body and a status; `raw` pages answer with no JSON."""

    def do_GET(self) -> None:  # the base class's name
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = 400 if "refused" in self.path else 200
        document: Any = {"path": self.path, "body": body.decode(), "error": "the reason"}
        if "list" in self.path:
            document = ["a list"]
        answer = b"\xff<html>" if "raw" in self.path else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815  # as above

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def client() -> Iterator[Client]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Client(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_query_and_a_change_arrive_as_they_were_asked_for(client: Client) -> None:
    assert (
        client.get("calls", status="4", error="*&x=1")["path"] == "/_emrbox/calls?status=4&error=%2A%26x%3D1"
    )
    changed = client.post("faults", add={"kind": "slow"})
    assert (changed["path"], json.loads(changed["body"])) == ("/_emrbox/faults", {"add": {"kind": "slow"}})


def test_a_refusal_is_an_error_with_the_box_s_reason(client: Client) -> None:
    with pytest.raises(RefusedError, match=r"^the reason$"):
        client.get("refused")
    with pytest.raises(ValueError, match="a list"):
        client.post("refused/list")


def test_an_answer_that_is_not_json_is_no_answer(client: Client) -> None:
    with pytest.raises(BoxError, match=r"does not answer.*emrbox logs"):
        client.get("raw")


def test_a_box_that_has_ended_does_not_answer(client: Client) -> None:
    port = int(client.endpoint.rpartition(":")[2])
    gone = Client(f"http://127.0.0.2:{port}", timeout_seconds=5)  # nothing listens there
    with pytest.raises(BoxError, match="does not answer"):
        gone.get("health")
