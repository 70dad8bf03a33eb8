"""A Spark Connect server on the primary node: the driver of an application whose executors YARN runs.

Spark runs such a server in client mode only, so that the driver is a process of the node.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from emrbox.emr.machines.node_access import NODE_ENVIRONMENT
from emrbox.emr.machines.processes import kill_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.emr.life.model import Session
    from emrbox.emr.machines.node_access import Member

MAIN_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
FOLDER = "/mnt/var/lib/hadoop/sessions"
START_SECONDS = 180.0
LOOK_SECONDS = 0.2
STOP_SECONDS = 10.0  # for the server to let go of its executors
CONNECT_SECONDS = 5.0
TAIL_BYTES = 4000


class SessionProcess:
    """A session's server. `report` is called with the reason when it is over."""

    def __init__(self, session: Session, master: Member, port: int, report: Callable[[str], None]) -> None:
        self.server = (master.instance.private_ip, port)
        self.secret = secrets.token_urlsafe(32)
        self._session = session
        self._files = master.node.files
        self._log = f"spark/session-{session.id}.log"  # EMR's log pusher takes what is in this folder
        folder = f"{FOLDER}/{session.id}"
        self._files.make_folder(folder, "hadoop", 0o700)
        settings = f"{folder}/session.conf"
        self._files.write(
            settings, _settings(session, port, self.secret).encode(), owner="hadoop", mode=0o600
        )
        argv = [
            *("/usr/bin/spark-submit", "--class", MAIN_CLASS),
            *("--properties-file", settings, "--load-spark-defaults", "spark-internal"),
        ]
        with self._files.create(f"/mnt/var/log/{self._log}", owner="hadoop") as output:
            self._process = master.node.popen(
                argv,
                user="hadoop",
                cwd=folder,
                env=NODE_ENVIRONMENT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        threading.Thread(target=self._wait, args=(report,), name=f"emr-{session.id}", daemon=True).start()

    def wait_answers(self) -> None:
        """Return when the server listens. OSError when it has ended, or does not listen in time."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(self.server, CONNECT_SECONDS).close()
            except OSError as problem:
                if self._process.poll() is not None:
                    raise OSError(self._why()) from problem
                if time.monotonic() > deadline:
                    self.stop()
                    raise TimeoutError("the Spark Connect server did not answer in time") from problem
                time.sleep(LOOK_SECONDS)
            else:
                return

    def stop(self) -> None:
        """Ask the server to end, and kill it if it does not."""
        self._process.terminate()
        timer = threading.Timer(STOP_SECONDS, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        if self._process.poll() is None:
            kill_tree(self._process)

    def _wait(self, report: Callable[[str], None]) -> None:
        self._process.wait()
        report(self._why())

    def _why(self) -> str:
        """Return what the server has said last."""
        try:
            with self._files.open_below("/mnt/var/log", self._log) as log:
                log.seek(max(0, log.seek(0, 2) - TAIL_BYTES))
                lines = [line for line in log.read(TAIL_BYTES).decode(errors="replace").splitlines() if line]
        except OSError:
            lines = []
        found = [line for line in lines if "Exception" in line or "ERROR" in line] or lines
        last = f": {found[-1][:500]}" if found else ""
        return f"the Spark Connect server ended with exit code {self._process.returncode}{last}"


def _settings(session: Session, port: int, secret: str) -> str:
    """Return the session's own properties, on top of the cluster's; the last lines are emrbox's."""
    asked = [
        f"{key}={_escaped(value)}"
        for configuration in session.request.get("EngineConfigurations", [])
        for key, value in configuration.get("Properties", {}).items()
    ]
    own = (
        "spark.master=yarn",
        "spark.submit.deployMode=client",
        f"spark.connect.grpc.binding.port={port}",
        f"spark.connect.authenticate.token={secret}",
    )
    name = f"spark.app.name=Spark Connect {session.id}"
    return "".join(f"{line}\n" for line in (name, *asked, *own))  # the last of a name counts


def _escaped(value: str) -> str:
    """Write a value as a file of Java properties has it."""
    escaped = value.replace("\\", "\\\\")
    return f"\\{escaped}" if escaped.startswith(" ") else escaped
