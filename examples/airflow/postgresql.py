"""A PostgreSQL server for one local Airflow: its files in one folder, its port on loopback only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from child_process import ChildProcess, dies_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

USER = "airflow"
# Debian keeps the server's programs out of PATH.
_DEBIAN = Path("/usr/lib/postgresql")
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # the path of a checkout can be longer than a socket's may be
    "max_connections": "100",
    "fsync": "off",  # the database lasts as long as its Airflow
    "shared_buffers": "64MB",
    # Workers of a killed scheduler keep its connection open, with the locks of its last transaction: the next
    # scheduler would leave out all that they lock.
    "idle_in_transaction_session_timeout": "30s",
}
# Ends connections; SIGTERM would wait for their clients.
_FAST = signal.SIGINT
_POLL_SECONDS, _STOP_SECONDS = 0.1, 30.0


class DatabaseError(Exception):
    """PostgreSQL is not installed, or could not be started; the message has its own words."""


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, of the newest version that Debian has installed."""
    versions = sorted(_DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, versions), os.environ.get("PATH", "")]))
    if found is None:
        raise DatabaseError(f"PostgreSQL's {name} is not installed; fix: apt-get install postgresql-15")
    return found


def _as_user(command: Sequence[str | Path]) -> list[str | Path]:
    """Return the command as PostgreSQL accepts it: it refuses to run as root.

    In a user namespace root's files belong to user 1, so that no folder needs another owner.
    """
    if os.geteuid() != 0:
        return list(command)
    return ["unshare", "--user", "--map-user=1", "--map-group=1", *command]


class PostgreSQL:
    """A server with one database, `airflow`, and one user of that name."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        """`folder` must not exist. `password` is the user's."""
        self._folder, self._port, self._password = folder, port, password
        self._server: ChildProcess | None = None

    @property
    def address(self) -> str:
        """User, password, host, port and database, as they stand in the URL of a connection."""
        return f"{USER}:{self._password}@127.0.0.1:{self._port}/airflow"

    def start(self) -> None:
        """Make the server's files, start it and make the database. Raises DatabaseError."""
        self._make_files()
        words = [f"--{name}={value}" for name, value in _OPTIONS.items()]
        server: list[str | Path] = [program("postgres"), "-D", self._folder, f"--port={self._port}", *words]
        log = self._folder.with_suffix(".log")
        self._server = ChildProcess(
            "postgresql", _as_user([*dies_with_parent(_FAST), *server]), os.environ, log
        )
        self._server.start()
        while self._server.is_running and self._client("pg_isready").returncode:
            time.sleep(_POLL_SECONDS)
        created = self._client("createdb", "airflow")
        if created.returncode:
            raise DatabaseError(f"PostgreSQL could not be started ({log}): {created.stderr.strip()}")

    def stop(self) -> None:
        """End the server; connections that are open are closed by it."""
        if self._server is not None:
            self._server.end(_FAST)
            self._server.wait(_STOP_SECONDS)

    def _make_files(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".password") as password:
            password.write(self._password + "\n")
            password.flush()
            how = ("--auth=scram-sha-256", f"--pwfile={password.name}", "--encoding=UTF8", "--locale=C.UTF-8")
            command: list[str | Path] = [
                program("initdb"),
                "-D",
                self._folder,
                f"--username={USER}",
                "--no-sync",
                *how,
            ]
            made = subprocess.run(_as_user(command), check=False, capture_output=True, text=True)
        if made.returncode:
            raise DatabaseError(f"PostgreSQL's files could not be made: {made.stderr.strip()}")

    def _client(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        where = ["--host=127.0.0.1", f"--port={self._port}", f"--username={USER}"]
        environment = {**os.environ, "PGPASSWORD": self._password}
        return subprocess.run(
            [program(name), *where, *arguments], env=environment, check=False, capture_output=True, text=True
        )
