"""Event logs are copied from HDFS; this process plays the NameNode and the DataNode of a cluster."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from emrbox.emr.machines import webhdfs
from emrbox.emr.machines.event_logs import EventLogs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = "127.0.0.1"
TOP = "/webhdfs/v1/var/log/spark/apps"
APPLICATION = "application_1_0001"


class Hdfs:
    """Files by their path below the folder of event logs; `asked` are the paths that were opened."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.data_node = ""

    def entries(self, folder: str) -> list[dict[str, Any]]:
        below = [path[len(folder) :] for path in self.files if path.startswith(folder)]
        names = sorted({path.partition("/")[0] for path in below})
        return [
            {
                "pathSuffix": name,
                "type": "FILE" if folder + name in self.files else "DIRECTORY",
                "length": len(self.files.get(folder + name, b"")),
                "modificationTime": 1,
            }
            for name in names
        ]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        hdfs: Hdfs = self.server.hdfs  # type: ignore[attr-defined]  # the fixture sets it
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(TOP).lstrip("/")
        operation = parse_qs(parts.query).get("op", ["READ"])[0]
        if operation == "LISTSTATUS":
            entries = hdfs.entries(f"{path}/" if path else "")
            body = json.dumps({"FileStatuses": {"FileStatus": entries}}).encode()
        elif operation == "OPEN":
            location = f"http://{hdfs.data_node}{parts.path}?op=READ"
            body = json.dumps({"Location": location}).encode()
        else:
            hdfs.asked.append(path)
            body = hdfs.files[path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hdfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hdfs]:
    with ThreadingHTTPServer((HERE, 0), Handler) as server:
        files = Hdfs()
        files.data_node = f"ip-127-0-0-1.ec2.internal:{server.server_port}"
        server.hdfs = files  # type: ignore[attr-defined]  # for the handler
        for name in ("NAMENODE_HTTP_PORT", "DATANODE_HTTP_PORT"):
            monkeypatch.setattr(webhdfs, name, server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield files
        server.shutdown()
        thread.join()


def cluster(*addresses: str) -> Any:
    instances = [SimpleNamespace(private_ip=address) for address in addresses]
    master = SimpleNamespace(present=instances[:1])
    return SimpleNamespace(id="j-1", account_id="1", master=master, present=instances)


def copied(logs: EventLogs) -> dict[str, bytes]:
    top = logs.folder("1", "j-1")
    return {str(file.relative_to(top)): file.read_bytes() for file in top.rglob("*") if file.is_file()}


def test_what_is_new_is_copied_and_what_is_gone_is_removed(hdfs: Hdfs, tmp_path: Path) -> None:
    logs = EventLogs(tmp_path)
    folder = f"eventlog_v2_{APPLICATION}"
    hdfs.files = {f"{folder}/appstatus_{APPLICATION}.inprogress": b"", f"{folder}/events_1": b"one"}
    logs.collect(cluster(HERE))
    assert copied(logs) == hdfs.files
    hdfs.files = {f"{folder}/appstatus_{APPLICATION}": b"", f"{folder}/events_1": b"all"}
    logs.collect(cluster(HERE))
    assert copied(logs) == {**hdfs.files, f"{folder}/events_1": b"one"}  # as long, and as old, as before
    hdfs.files[f"{folder}/events_1"] = b"all of it"
    logs.collect(cluster(HERE))
    assert copied(logs) == hdfs.files
    hdfs.asked.clear()
    logs.collect(cluster(HERE))
    assert hdfs.asked == []


def test_what_is_written_to_is_read_each_time(hdfs: Hdfs, tmp_path: Path) -> None:
    logs = EventLogs(tmp_path)
    hdfs.files = {f"{APPLICATION}.inprogress": b"one"}
    for text in (b"one", b"two"):  # HDFS knows the length of whole blocks only
        hdfs.files = {f"{APPLICATION}.inprogress": text}
        logs.collect(cluster(HERE))
        assert copied(logs) == hdfs.files


def test_only_nodes_of_the_cluster_are_asked_for_files(hdfs: Hdfs, tmp_path: Path) -> None:
    logs = EventLogs(tmp_path)
    hdfs.files = {APPLICATION: b"one"}
    for elsewhere in ("10.0.0.1:9864", "localhost:9864", "ip-127-0-0-1.ec2.internal:1"):
        hdfs.data_node = elsewhere
        logs.collect(cluster(HERE))
    assert (hdfs.asked, copied(logs)) == ([], {})


def test_names_that_lead_elsewhere_are_left_out(hdfs: Hdfs, tmp_path: Path) -> None:
    hdfs.files = {"..": b"", ".hidden": b"", "a b": b"", APPLICATION: b"one"}
    logs = EventLogs(tmp_path)
    logs.collect(cluster(HERE))
    assert copied(logs) == {APPLICATION: b"one"}


def test_without_a_primary_node_or_an_answer_what_was_copied_stays(hdfs: Hdfs, tmp_path: Path) -> None:
    logs = EventLogs(tmp_path)
    hdfs.files = {APPLICATION: b"one"}
    logs.collect(cluster(HERE))
    logs.collect(cluster())
    logs.collect(cluster("127.0.0.2"))  # nothing listens there
    assert copied(logs) == {APPLICATION: b"one"}


def test_an_application_is_known_by_its_event_log(hdfs: Hdfs, tmp_path: Path) -> None:
    logs = EventLogs(tmp_path)
    assert not logs.has_application("1", "j-1", APPLICATION)
    hdfs.files = {f"eventlog_v2_{APPLICATION}/events_1": b"", "application_1_00020": b""}
    logs.collect(cluster(HERE))
    assert logs.has_application("1", "j-1", APPLICATION)
    assert not logs.has_application("1", "j-1", "application_1_0002")
    logs.forget_account("1")
    assert not logs.has_application("1", "j-1", APPLICATION)
