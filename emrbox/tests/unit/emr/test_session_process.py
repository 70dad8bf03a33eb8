"""A session's server as a process: its settings, when it answers, why it has ended."""

from __future__ import annotations

import queue
import socket
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from emrbox.emr.machines.session_process import SessionProcess
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 20.0


class Servers:
    """Starts servers whose program is a script of the shell, on a node whose files are the test's."""

    def __init__(self, folder: Path) -> None:
        (folder / "etc").mkdir()
        (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nhadoop:x:0:0::/:/bin/sh\n")
        self.files = Tree(folder)
        self.ended: queue.Queue[str] = queue.Queue()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.argv: list[str] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, script: str, **properties: str) -> SessionProcess:
        def popen(argv: list[str], *, stdout: Any, stderr: Any, **_: Any) -> Any:
            self.argv = argv
            started = subprocess.Popen(["sh", "-c", script], stdout=stdout, stderr=stderr)
            self.processes.append(started)
            return started

        node = SimpleNamespace(files=self.files, popen=popen)
        master: Any = SimpleNamespace(node=node, instance=SimpleNamespace(private_ip="127.0.0.1"))
        configuration = {"Classification": "spark-defaults", "Properties": properties}
        session: Any = SimpleNamespace(id="is-1", request={"EngineConfigurations": [configuration]})
        return SessionProcess(session, master, self.listening.getsockname()[1], self.ended.put)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.listening.close()
    for process in made.processes:
        process.kill()
        process.wait()


def test_a_server_that_listens_answers_and_ends_when_it_is_asked_to(servers: Servers) -> None:
    process = servers.start("exec sleep 60")
    process.wait_answers()
    process.stop()
    assert servers.ended.get(timeout=SECONDS).startswith("the Spark Connect server ended with exit code -15")


def test_a_server_that_ends_says_why(servers: Servers) -> None:
    process = servers.start("echo started; echo java.lang.IllegalStateException: no memory; echo bye; exit 3")
    servers.listening.close()
    with pytest.raises(OSError, match=r"exit code 3: java.lang.IllegalStateException: no memory"):
        process.wait_answers()
    assert "no memory" in servers.ended.get(timeout=SECONDS)


def test_what_was_asked_for_is_set_but_not_where_the_server_runs_and_no_secret_is_an_argument(
    servers: Servers,
) -> None:
    process = servers.start("exec sleep 60", **{"spark.app.name": " a\\b", "spark.executor.cores": "1"})
    [file] = [word for word in servers.argv if word.endswith("session.conf")]
    lines = servers.files.read(file).decode().splitlines()
    assert lines[:3] == [
        "spark.app.name=Spark Connect is-1",
        "spark.app.name=\\ a\\\\b",
        "spark.executor.cores=1",
    ]
    assert lines[3:5] == ["spark.master=yarn", "spark.submit.deployMode=client"]
    assert lines[-1] == f"spark.connect.authenticate.token={process.secret}"
    assert not any(process.secret in word for word in servers.argv)
    status = servers.files.status(file)
    assert status is not None
    assert status.st_mode & 0o777 == 0o600
    process.stop()
    servers.ended.get(timeout=SECONDS)
