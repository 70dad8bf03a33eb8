"""Servers on loopback that take messages: SMTP with STARTTLS or TLS, and HTTP(S), with faults on request."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import socketserver
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What hangs fails; nothing waits for that long when all is well.
HANG_SECONDS = 60


def certificate(folder: Path, *names: str) -> Path:
    """Write a certificate that signs itself, with its key, for host names or addresses; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    others: list[x509.GeneralName] = [_general_name(one) for one in names]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{'_'.join(names)}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _server_context(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@dataclass
class Mail:
    """A mail as the server got it."""

    sender: str
    receivers: list[str]
    data: bytes
    user: str = ""
    is_encrypted: bool = False


@dataclass
class SmtpSink:
    """An SMTP server. `answers` replace those to a command, once each; `hang_up` ends the connection there.

    `hang_up` is a command, or `text`: after the text has come, before its answer.
    """

    context: ssl.SSLContext | None = None
    starttls: bool = True
    password: str = ""
    answers: dict[str, list[str]] = field(default_factory=dict)
    hang_up: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    mails: list[Mail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0


class _SmtpHandler(socketserver.StreamRequestHandler):
    timeout = HANG_SECONDS
    sink: SmtpSink

    def handle(self) -> None:
        self.sender, self.user = "", ""
        self.receivers: list[str] = []
        self.secure = isinstance(self.request, ssl.SSLSocket)
        self._say("220 sink")
        while line := self.rfile.readline().decode("latin-1").strip():
            verb = line.split(" ")[0].upper()
            self.sink.commands.append(verb)
            if verb in self.sink.hang_up:
                self.sink.hang_up.remove(verb)
                return
            waiting = self.sink.answers.get(verb, [])
            if waiting:
                self._say(waiting.pop(0))
            elif not getattr(self, f"do_{verb}", self.do_unknown)(line):
                return

    def finish(self) -> None:
        super().finish()
        # STARTTLS has put another socket into the place of the one that the server closes.
        self.request.close()

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def do_unknown(self, _line: str) -> bool:
        self._say("500 what")
        return True

    def do_EHLO(self, _line: str) -> bool:  # noqa: N802  # named as the command
        offers = ["STARTTLS"] if self.sink.context and self.sink.starttls and not self.secure else []
        offers += ["AUTH PLAIN"] if self.sink.password and self.secure else []
        words = ["sink", *offers]
        for word in words[:-1]:
            self._say(f"250-{word}")
        self._say(f"250 {words[-1]}")
        return True

    def do_STARTTLS(self, _line: str) -> bool:  # noqa: N802  # named as the command
        assert self.sink.context
        self._say("220 go")
        try:
            self.request = self.sink.context.wrap_socket(self.request, server_side=True)
        except (ssl.SSLError, OSError):
            return False
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        self.secure = True
        return True

    def do_AUTH(self, line: str) -> bool:  # noqa: N802  # named as the command
        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        self.user = user if password == self.sink.password else ""
        self._say("235 in" if self.user else f"535 wrong: {line}")
        return True

    def do_MAIL(self, line: str) -> bool:  # noqa: N802  # named as the command
        self.sender = line.partition("<")[2].partition(">")[0]
        self._say("250 ok")
        return True

    def do_RCPT(self, line: str) -> bool:  # noqa: N802  # named as the command
        receiver = line.partition("<")[2].partition(">")[0]
        if receiver in self.sink.refused:
            self._say("550 nobody")
        else:
            self.receivers.append(receiver)
            self._say("250 ok")
        return True

    def do_DATA(self, _line: str) -> bool:  # noqa: N802  # named as the command
        self._say("354 go")
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        self.sink.mails.append(Mail(self.sender, self.receivers, b"".join(lines), self.user, self.secure))
        if "text" in self.sink.hang_up:
            self.sink.hang_up.remove("text")
            return False
        waiting = self.sink.answers.get("text", [])
        if waiting:
            self.sink.mails.pop()
        self._say(waiting.pop(0) if waiting else "250 taken")
        return True

    def do_QUIT(self, _line: str) -> bool:  # noqa: N802  # named as the command
        self._say("221 bye")
        return False


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    context: ssl.SSLContext | None = None

    def get_request(self) -> Any:
        request, address = super().get_request()
        return (self.context.wrap_socket(request, server_side=True) if self.context else request), address

    def handle_error(self, *_: Any) -> None:
        """Say nothing about clients that hang up."""


@contextmanager
def _serving(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def smtp_sink(file: Path | None = None, *, tls: bool = False, **how: Any) -> Iterator[SmtpSink]:
    """Serve SMTP on loopback: with STARTTLS by the certificate in `file`, or TLS from the first byte."""
    context = _server_context(file) if file else None
    sink = SmtpSink(context=context, **how)
    server = _Tcp(("127.0.0.1", 0), type("Handler", (_SmtpHandler,), {"sink": sink}))
    server.context = context if tls else None
    with _serving(server) as port:
        sink.port = port
        yield sink


@dataclass
class HttpSink:
    """A web server. `statuses` are its answers, one after the other; 0: it ends the connection; then 200."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""


class _HttpHandler(BaseHTTPRequestHandler):
    timeout = HANG_SECONDS
    sink: HttpSink

    def do_POST(self) -> None:
        self.sink.paths.append(self.path)
        self.sink.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.sink.statuses.pop(0) if self.sink.statuses else 200
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.send_header("Location", f"{self.sink.url}/elsewhere")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Http(_Tcp, ThreadingHTTPServer):
    pass


@contextmanager
def http_sink(file: Path | None = None) -> Iterator[HttpSink]:
    """Serve HTTP on loopback, or HTTPS by the certificate in `file`."""
    sink = HttpSink()
    server = _Http(("127.0.0.1", 0), type("Handler", (_HttpHandler,), {"sink": sink}))
    server.context = _server_context(file) if file else None
    with _serving(server) as port:
        sink.url = f"http{'s' if file else ''}://127.0.0.1:{port}/services/T0/B0/SECRET-URL"
        yield sink
