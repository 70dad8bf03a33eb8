"""An HTTP server of this process, in the place of a daemon on a node."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Answer = tuple[int, bytes, dict[str, str]]  # status, body, headers
Reply = Callable[[BaseHTTPRequestHandler], Answer]


@contextlib.contextmanager
def serving(reply: Reply) -> Iterator[int]:
    """Answer GET and PUT at 127.0.0.1 until the end of the block; gives the port."""

    class Daemon(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = reply(self)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Nothing is shown."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Daemon) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
