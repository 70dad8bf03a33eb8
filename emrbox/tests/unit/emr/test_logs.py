"""The logs of nodes: where they stand in S3, how they are cut by the hour, what emrbox writes into them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from folder_node import member

from emrbox.emr.api.launch_request import new_cluster
from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.layer import Pace
from emrbox.emr.machines import log_layout, log_pusher, webhdfs
from emrbox.emr.machines.instance_state import InstanceState
from emrbox.emr.machines.job_history import DONE, job_history
from emrbox.emr.machines.log_layout import Log
from emrbox.emr.machines.node_logs import NodeLogs
from emrbox.emr.machines.provision_log import provisioning
from emrbox.emr.machines.webhdfs import WebHdfs
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 11, 1, 12, 50, tzinfo=UTC)
ROOT = "mnt/var/log"


class Bucket:
    """S3's client: what stands in each object, unpacked if its name says that it is packed."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803  # boto3's names
        self.objects[Key.split("/", 2)[2]] = gzip.decompress(Body) if Key.endswith(".gz") else Body


@pytest.fixture
def clock() -> MovableClock:
    found = MovableClock(START)
    found.freeze()
    return found


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def pusher(emr: Any, clock: MovableClock, bucket: Bucket) -> log_pusher.LogPusher:
    cluster = new_cluster(emr.run_request(LogUri="s3://b/logs"), "role", START)
    found = log_pusher.LogPusher(cluster, "http://nowhere", clock.now)
    found._client = bucket
    return found


def push(pusher: log_pusher.LogPusher, root: Path) -> None:
    pusher.push(log_layout.logs_of(member(root), *log_layout.SOURCES))


def write(root: Path, path: str, text: str) -> None:
    (root / ROOT / path).parent.mkdir(parents=True, exist_ok=True)
    with (root / ROOT / path).open("a") as file:
        file.write(text)


def test_logs_are_laid_out_as_emr_does(tmp_path: Path) -> None:
    paths = {
        "hadoop/steps/s-1/controller": "steps/s-1/controller",
        "hadoop/steps/stray": None,
        "hadoop-yarn/containers/application_1/container_1/stdout": (
            "containers/application_1/container_1/stdout"
        ),
        "bootstrap-actions/1/stdout": "node/i-master/bootstrap-actions/1/stdout",
        "bootstrap-actions/master.log": "node/i-master/bootstrap-actions/master.log",
        "provision-node/apps-phase/0/u/puppet.log": "node/i-master/provision-node/apps-phase/0/u/puppet.log",
        "instance-controller/instance-controller.log": "node/i-master/daemons/instance-controller.log",
        "instance-state/instance-state.log-2026-11-01-13-00": (
            "node/i-master/daemons/instance-state/instance-state.log-2026-11-01-13-00"
        ),
        "hadoop-yarn/hadoop-yarn-resourcemanager-x.log": (
            "node/i-master/applications/hadoop-yarn/hadoop-yarn-resourcemanager-x.log"
        ),
    }
    for path in paths:
        write(tmp_path, path, "")
    found = [log.key for log in log_layout.logs_of(member(tmp_path), *log_layout.SOURCES)]
    assert sorted(found) == sorted(key for key in paths.values() if key)
    worker = log_layout.logs_of(member(tmp_path, "CORE"), *log_layout.SOURCES)
    assert not [log.key for log in worker if log.key.startswith("steps/")]


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://b/logs", ("b", "logs/")),
        ("s3n://b/logs/", ("b", "logs/")),
        ("s3://b", ("b", "")),
        (None, ("", "")),
    ],
)
def test_a_log_uri_names_a_bucket_and_a_prefix(uri: str | None, place: tuple[str, str]) -> None:
    assert log_pusher._location(uri) == place


def test_a_log_is_pushed_up_to_a_size(
    pusher: log_pusher.LogPusher, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pusher, "MOST_BYTES", 1000)
    write(tmp_path, "hadoop/steps/s-1/stdout", "x" * 5000)
    push(pusher, tmp_path)
    assert bucket.objects == {"steps/s-1/stdout.gz": b"x" * 1000}


def test_a_log_that_grows_in_another_hour_is_cut(
    pusher: log_pusher.LogPusher, bucket: Bucket, clock: MovableClock, tmp_path: Path
) -> None:
    steps, controller = "hadoop/steps/s-1", "instance-controller/instance-controller.log"
    write(tmp_path, f"{steps}/stdout", "1")
    write(tmp_path, f"{steps}/stderr", "once")
    write(tmp_path, controller, "a")
    push(pusher, tmp_path)
    clock.advance(300)  # 12:55
    write(tmp_path, f"{steps}/stdout", "2")
    push(pusher, tmp_path)
    clock.advance(300)  # 13:00
    write(tmp_path, f"{steps}/stdout", "3")
    push(pusher, tmp_path)
    clock.advance(7200)  # 15:00
    write(tmp_path, f"{steps}/stdout", "4")
    write(tmp_path, controller, "b")
    push(pusher, tmp_path)
    assert bucket.objects == {
        "steps/s-1/stdout.2026-11-01-12.gz": b"12",
        "steps/s-1/stdout.2026-11-01-13.gz": b"3",
        "steps/s-1/stdout.gz": b"4",
        "steps/s-1/stderr.gz": b"once",
        "node/i-master/daemons/instance-controller.log.2026-11-01-12.gz": b"a",
        "node/i-master/daemons/instance-controller.log.gz": b"b",
    }


def test_a_log_that_begins_anew_is_pushed_from_its_beginning(
    pusher: log_pusher.LogPusher, bucket: Bucket, clock: MovableClock, tmp_path: Path
) -> None:
    write(tmp_path, "spark/x.log", "long ago")
    push(pusher, tmp_path)
    (tmp_path / ROOT / "spark/x.log").write_text("new")
    clock.advance(3600)
    push(pusher, tmp_path)
    assert bucket.objects == {"node/i-master/applications/spark/x.log.gz": b"new"}


def test_containers_files_are_whole(
    pusher: log_pusher.LogPusher, bucket: Bucket, clock: MovableClock, tmp_path: Path
) -> None:
    path = "hadoop-yarn/containers/application_1/container_1/stdout"
    for text in "12":
        write(tmp_path, path, text)
        push(pusher, tmp_path)
        clock.advance(3600)
    assert bucket.objects == {"containers/application_1/container_1/stdout.gz": b"12"}


def test_logs_are_pushed_at_whole_multiples_of_five_minutes(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    emr.clock.advance(130)
    cluster_id = emr.launch()
    machines, moments = emr.machines[cluster_id], []
    monkeypatch.setattr(machines, "pace", Pace(logs=300.0))
    monkeypatch.setattr(machines, "push_logs", lambda: moments.append(emr.clock.now()))
    emr.until(cluster_id, "WAITING")
    emr.clock.advance(1000)
    assert [f"{moment:%M:%S}" for moment in moments] == ["05:00", "10:00", "15:00"]


def test_the_instance_controller_s_log_tells_what_was_done(tmp_path: Path, clock: MovableClock) -> None:
    logs, node = NodeLogs(clock), member(tmp_path)
    logs.begin(node)
    logs.controller(node, "step s-1 has been started")
    clock.advance(1.5)
    logs.bootstrap(node, "all bootstrap actions complete")
    lines = (tmp_path / "emr/instance-controller/log").readlink()
    assert str(lines) == log_layout.CONTROLLER_FOLDER
    assert (tmp_path / ROOT / "instance-controller/instance-controller.log").read_text().splitlines() == [
        "2026-11-01 12:50:00,000 INFO emrbox: i-master: step s-1 has been started",
        "2026-11-01 12:50:01,500 INFO emrbox: i-master: all bootstrap actions complete",
    ]
    assert "all bootstrap actions" in (tmp_path / ROOT / "bootstrap-actions/master.log").read_text()


@pytest.mark.parametrize("without", ["folders", "root"])
def test_a_node_that_cannot_be_written_to_keeps_nobody_from_work(
    tmp_path: Path, clock: MovableClock, without: str
) -> None:
    node = member(tmp_path)
    if without == "root":
        (tmp_path / "etc/passwd").write_text("")
    else:
        (tmp_path / ROOT / "instance-controller/instance-controller.log").mkdir(parents=True)
        (tmp_path / ROOT / "provision-node").write_text("no folder")
        (tmp_path / ROOT / "instance-state").write_text("no folder")
    NodeLogs(clock).controller(node, "lost")
    with provisioning([node], clock) as logs:
        logs[node.instance.id].note("lost")
    InstanceState(clock).take([node], clock.now())


def test_a_provisioned_node_has_a_log_and_a_report_of_the_run(tmp_path: Path, clock: MovableClock) -> None:
    node = member(tmp_path)
    with provisioning([node], clock, version=2) as logs:
        logs[node.instance.id].note("Wrote /etc/hadoop/conf/it's.xml")
        clock.advance(3)
    [puppet] = (tmp_path / ROOT / "provision-node/apps-phase/2").glob("*/puppet.log")
    assert puppet.read_text().splitlines() == [
        "2026-11-01 12:50:00 +0000 emrbox (notice): Wrote /etc/hadoop/conf/it's.xml",
        "2026-11-01 12:50:03 +0000 emrbox (notice): Applied in 3.00 seconds",
    ]
    [report] = (tmp_path / ROOT / "provision-node/reports/2").glob("*/ip.internal/202611011250.yaml.gz")
    assert report.parent.parent.name == puppet.parent.name
    text = gzip.decompress(report.read_bytes()).decode()
    assert "status: changed\n" in text
    assert "- level: notice\n  message: 'Wrote /etc/hadoop/conf/it''s.xml'\n  source: emrbox\n" in text


def test_a_node_that_could_not_be_provisioned_has_the_error_in_its_report(
    tmp_path: Path, clock: MovableClock, pusher: log_pusher.LogPusher, bucket: Bucket
) -> None:
    with pytest.raises(OSError, match="no space"), provisioning([member(tmp_path)], clock):
        raise OSError("no space\nleft")
    push(pusher, tmp_path)
    [report] = [body.decode() for key, body in bucket.objects.items() if key.endswith(".yaml.gz")]
    assert "status: failed\n" in report
    assert "- level: err\n  message: 'OSError: no space left'\n" in report


def test_a_snapshot_of_the_node_is_taken_each_quarter_of_an_hour(tmp_path: Path, clock: MovableClock) -> None:
    state, node = InstanceState(clock), member(tmp_path)
    for _ in range(5):
        clock.advance(300)  # 12:55, 13:00, 13:05, 13:10, 13:15
        state.take_due([node])
    files = sorted((tmp_path / ROOT / "instance-state").iterdir())
    assert [file.name for file in files] == [
        "instance-state.log-2026-11-01-13-00",
        "instance-state.log-2026-11-01-13-15",
    ]
    lines = files[0].read_text().splitlines()
    # What a public parser of EMR's files relies on.
    datetime.strptime(lines[2][4:], "%b %d %H:%M:%S %Z %Y")  # noqa: DTZ007  # its zone is in the text
    assert lines.index("# whats running") < lines.index("# Top CPU users")
    memory = lines.index("# whats memory usage look like")
    assert lines[memory + 2].split()[0] == "total"
    assert lines[memory + 3].startswith("Mem:")
    assert any("Filesystem" in line for line in lines[lines.index("# amount of disk free") :])


class NameNode(BaseHTTPRequestHandler):
    """WebHDFS with two jobs that are over and one that is being written. It is its own DataNode."""

    END_MS = int((START + timedelta(days=1)).timestamp() * 1000)
    JOB = f"job_12_1007-11-hadoop-streamjob%2D1.jar-{END_MS}-2-1-SUCCEEDED-default-12.jhist"
    FILES = (JOB, "job_12_1007_conf.xml", "job_12_1007.summary", "job_12_1008-11-hadoop-x-1.jhist_tmp")

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path.removeprefix("/webhdfs/v1")), parse_qs(url.query)
        assert query["user.name"] == ["hdfs"]
        if query["op"] == ["OPEN"] and "noredirect" in query:
            port = self.headers["Host"].rpartition(":")[2]
            where = f"http://core.internal:{port}/webhdfs/v1{quote(path)}?op=OPEN&user.name=hdfs"
            self._answer(200, {"Location": where})
        elif query["op"] == ["OPEN"]:
            self._answer(200, path.rpartition("/")[2])
        elif path == DONE:
            self._answer(200, self._listing("DIRECTORY", ["hadoop"]))
        elif path == f"{DONE}/hadoop":
            self._answer(200, self._listing("FILE", self.FILES))
        else:
            self._answer(404, {"RemoteException": {"exception": "FileNotFoundException"}})

    def _listing(self, kind: str, names: Any) -> Any:
        same = {"type": kind, "modificationTime": 5000}
        found = [{"pathSuffix": name, "length": len(json.dumps(name)), **same} for name in names]
        return {"FileStatuses": {"FileStatus": found}}

    def _answer(self, status: int, document: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing is shown."""


@pytest.fixture
def hdfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebHdfs]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), NameNode)
    Thread(target=server.serve_forever, daemon=True).start()
    for name in ("NAMENODE_HTTP_PORT", "DATANODE_HTTP_PORT"):
        monkeypatch.setattr(webhdfs, name, server.server_address[1])
    yield WebHdfs("127.0.0.1", {"core.internal": "127.0.0.1"}.__getitem__)
    server.shutdown()
    server.server_close()


def test_the_history_of_jobs_that_are_over_stands_by_day_and_number(
    hdfs: WebHdfs, pusher: log_pusher.LogPusher, bucket: Bucket
) -> None:
    pusher.push(job_history(hdfs))
    folder = "hadoop-mapreduce/history/2026/11/02/000001"
    assert sorted(bucket.objects) == [
        f"{folder}/{NameNode.JOB}.gz",
        f"{folder}/job_12_1007_conf.xml.gz",
    ]
    assert json.loads(bucket.objects[f"{folder}/{NameNode.JOB}.gz"]) == NameNode.JOB


def test_a_folder_of_hdfs_that_is_not_there_has_no_files(hdfs: WebHdfs) -> None:
    assert list(hdfs.files("/absent")) == []


def test_one_log_that_cannot_be_read_does_not_keep_the_others(
    pusher: log_pusher.LogPusher, bucket: Bucket, tmp_path: Path
) -> None:
    file = tmp_path / "there"
    file.write_bytes(b"1")
    tree = Tree(tmp_path)
    logs = [Log(f"steps/s/{name}", 1, 0, partial(tree.open_below, "/", name)) for name in ("no", "there")]
    pusher.push(logs)
    assert bucket.objects == {"steps/s/there.gz": b"1"}
