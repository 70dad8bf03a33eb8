"""Spark history servers off the clusters: each on a machine of AWS's own, over one cluster's event logs.

Such a machine is no instance of an account. No security group of the account lets anything in: only the box
itself reaches it. It has no role.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from emrbox.emr.life.app_uis import UiError
from emrbox.emr.machines import history_process
from emrbox.emr.releases import SOFTWARE
from emrbox.errors import BoxError
from emrbox.nodes.network import host_name
from emrbox.nodes.tree import NodeSpec

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from emrbox.config import BoxConfig
    from emrbox.emr.life.app_uis import PersistentUi
    from emrbox.emr.life.model import Cluster
    from emrbox.emr.machines.event_logs import EventLogs
    from emrbox.nodes.node import Node

LOG = logging.getLogger(__name__)
USER = "spark"
FOLDER = "/mnt/event_logs"
START_SECONDS = 50.0  # clients wait a minute for an answer
# How many run at once: another one takes the place of that which was opened the longest time ago, and which
# starts again when it is opened.
MOST = 3
SETTINGS = f"""\
spark.history.fs.logDirectory file://{FOLDER}
spark.history.fs.update.interval 2s
spark.history.fs.numReplayThreads 1
"""


class Nodes(Protocol):
    """The nodes of the box."""

    def create(self, spec: NodeSpec) -> Node:
        """Add a node; it is not started yet."""

    def remove(self, instance_id: str, why: str) -> None:
        """Remove a node after its end."""


@dataclass
class _Server:
    """A machine with a history server. `lock` is held while it starts, ends or gets event logs."""

    address: str
    node: Node | None = None
    process: subprocess.Popen[bytes] | None = None
    copied: dict[str, tuple[int, int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class HistoryServers:
    """The history servers of all persistent UIs. `cluster_of` returns a cluster by its id, if it is known."""

    def __init__(
        self,
        config: BoxConfig,
        nodes: Nodes,
        logs: EventLogs,
        cluster_of: Callable[[str], Cluster | None],
    ) -> None:
        self._layers = config.images.layers(SOFTWARE)
        self._nodes = nodes
        self._logs = logs
        self._cluster_of = cluster_of
        self._free = [str(address) for address in config.service_addresses[:MOST]]
        self._servers: OrderedDict[str, _Server] = OrderedDict()  # by the UI's id, the last opened at the end
        self._lock = threading.Lock()

    def address_of(self, ui_id: str) -> str | None:
        """Return where a UI is served now."""
        server = self._servers.get(ui_id)
        return None if server is None or server.process is None else server.address

    def has_application(self, ui: PersistentUi, application_id: str) -> bool:
        """Whether an application has left an event log up to now."""
        self._collect(ui)
        return self._logs.has_application(ui.account_id, ui.cluster_id, application_id)

    def attach(self, ui: PersistentUi, report: Callable[[str | None], None]) -> None:
        """Open a UI in a thread of its own."""

        def attach() -> None:
            try:
                self.open(ui)
            except UiError as problem:
                report(str(problem))
            else:
                report(None)

        threading.Thread(target=attach, name=f"ui-{ui.id}", daemon=True).start()

    def open(self, ui: PersistentUi) -> None:
        """Return when a UI answers, with what its cluster has written up to now. Raises UiError."""
        self._collect(ui)
        server = self._server(ui)
        with server.lock:
            try:
                if server.process is not None and server.process.poll() is not None:
                    self._end(ui.id, server)
                if server.process is None:
                    self._start(ui.id, server)
                self._copy_logs(ui, server)
                self._wait(server)
            except (BoxError, OSError) as problem:
                LOG.exception("the history server of %s did not start", ui.id)
                self._end(ui.id, server)
                raise UiError(str(problem)) from problem

    def forget(self, ui: PersistentUi) -> None:
        """End its server, if it runs."""
        with self._lock:
            server = self._servers.pop(ui.id, None)
        if server is not None:
            self._free_address(ui.id, server)

    def forget_account(self, account_id: str) -> None:
        """Remove the event logs of its clusters."""
        self._logs.forget_account(account_id)

    def _collect(self, ui: PersistentUi) -> None:
        cluster = self._cluster_of(ui.cluster_id)
        if cluster is not None:
            self._logs.collect(cluster)

    def _server(self, ui: PersistentUi) -> _Server:
        """Return a UI's server, which may not run yet; in the place of the oldest if there are too many."""
        while True:
            with self._lock:
                if (known := self._servers.get(ui.id)) is not None:
                    self._servers.move_to_end(ui.id)
                    return known
                if self._free:
                    made = self._servers[ui.id] = _Server(self._free.pop())
                    return made
                oldest, server = self._servers.popitem(last=False)
            self._free_address(oldest, server)

    def _free_address(self, ui_id: str, server: _Server) -> None:
        with server.lock:
            self._end(ui_id, server)
        with self._lock:
            self._free.append(server.address)

    def _start(self, ui_id: str, server: _Server) -> None:
        name = f"emrappui-{ui_id}"
        node = self._nodes.create(NodeSpec(name, server.address, host_name(server.address), self._layers))
        server.node = node
        node.start()
        node.files.make_folder(FOLDER)
        node.files.make_folder("/var/log/spark", USER)
        node.files.write("/opt/emr/spark/conf/spark-defaults.conf", SETTINGS.encode())

    def _copy_logs(self, ui: PersistentUi, server: _Server) -> None:
        """Give the machine the event logs that have changed, and take those that are gone."""
        top = self._logs.folder(ui.account_id, ui.cluster_id)
        files = {str(file.relative_to(top)): file for file in _event_logs(top)}
        assert server.node is not None  # noqa: S101  # _start has made it
        for path, file in files.items():
            status = file.stat()
            version = (status.st_mtime_ns, status.st_size)
            if server.copied.get(path) != version:
                with file.open("rb") as source, server.node.files.create(f"{FOLDER}/{path}") as target:
                    shutil.copyfileobj(source, target)
                server.copied[path] = version
        for gone in server.copied.keys() - files.keys():
            server.node.files.remove(f"{FOLDER}/{gone}")
            del server.copied[gone]

    def _wait(self, server: _Server) -> None:
        assert server.node is not None  # noqa: S101  # _start has made it
        if server.process is None:
            server.process = history_process.start(server.node, USER)
        if not history_process.wait_answers(server.process, server.address, START_SECONDS):
            log = server.node.files.read(history_process.LOG_FILE).decode(errors="replace").splitlines()
            raise BoxError(f"the history server does not answer: {' | '.join(log[-2:])}")

    def _end(self, ui_id: str, server: _Server) -> None:
        node, server.node, server.process, server.copied = server.node, None, None, {}
        if node is not None:
            node.stop()
            self._nodes.remove(node.spec.instance_id, f"the history server of {ui_id} has ended")


def _event_logs(top: Path) -> list[Path]:
    return [file for file in top.rglob("*") if file.is_file() and not file.name.startswith(".")]
