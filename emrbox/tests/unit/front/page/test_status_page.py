from __future__ import annotations

import gzip
import json
import os
import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import moto.settings
import pytest
from moto.moto_api._internal.models import moto_api_backend
from moto.s3.models import s3_backends
from werkzeug.test import Client

from emrbox.athena.service import AthenaService
from emrbox.aws.auth import Caller
from emrbox.config import ACCOUNT_ID, BoxConfig, Images
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.store import Store
from emrbox.front.application import Application
from emrbox.front.own_api import OwnApi
from emrbox.front.page.status_page import FILES, STATIC, StatusPage

if TYPE_CHECKING:
    from pathlib import Path

EVIL = 'step "><img src=x onerror=alert(1)>'
ALL = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
EVENT = {"time": "2026-11-01T12:00:00Z", "kind": "EMR Cluster State Change", "message": "hello"}


class Page:
    """A page over hollow clusters, asked as a browser at this machine does."""

    def __init__(self, home: Path) -> None:
        images = Images(home / "base", {}, home / "rpm")
        self.config = BoxConfig(home, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)
        self.nodes = {"127.0.0.1"}
        hollow = Hollow()
        self.clock = hollow.clock
        self.store = Store(SystemClock(), self._no_nodes, lambda name: name, hollow)
        self.service = EmrService(self.store)
        page = StatusPage(self.config, self.store, self.nodes.__contains__, lambda most: [EVENT][:most])
        own = OwnApi()
        page.add_to(own)
        self.application = Application(
            self.config, self.service, AthenaService("http://127.0.0.1"), [page.nodes.site, own.site]
        )
        self.client = Client(self.application)

    def _no_nodes(self, _cluster: Any) -> Any:
        raise AssertionError("only hollow clusters here")

    def get(
        self, place: str, /, *, address: str = "127.0.0.1", host: str = "127.0.0.1:4566", **query: str
    ) -> Any:
        return self.client.get(
            place, query_string=query, headers={"Host": host}, environ_base={"REMOTE_ADDR": address}
        )

    def json(self, place: str, /, **query: str) -> dict[str, Any]:
        answer = self.get(f"/_emrbox/page/{place}", **query)
        assert answer.status_code == 200, answer.text
        return dict(json.loads(answer.text))

    def launch(self, **changes: Any) -> str:
        groups = [
            {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2},
        ]
        request = {
            "Name": "test",
            "ReleaseLabel": "emr-spark-8.0.0",
            "ServiceRole": "service",
            "JobFlowRole": "nodes",
            "LogUri": "s3://logs/emr",
            "Instances": {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True},
            "Tags": [{"Key": "emrbox:hollow", "Value": "true"}],
            **changes,
        }
        caller = Caller("arn:aws:iam::123456789012:user/tester", lambda: [ALL])
        cluster_id = str(self.service.call("RunJobFlow", request, caller)["JobFlowId"])
        self.clock.advance(1)
        return cluster_id

    def node_folder(self, cluster_id: str) -> tuple[str, Path]:
        """Give the cluster's first node a file tree."""
        instance = self.store.cluster(cluster_id).instances[0].ec2_id
        root = self.config.nodes_folder / instance / "root"
        (root / "mnt/var/log/hadoop/steps/s-1").mkdir(parents=True)
        return instance, root


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))
    moto_api_backend.reset()
    made = Page(tmp_path)
    yield made
    made.application.close()
    moto_api_backend.reset()


def test_the_page_s_files_forbid_everything_that_is_not_the_box_s_own(page: Page) -> None:
    for name in FILES:
        answer = page.get(f"/_emrbox/{name}")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert page.get("/_emrbox").headers["Location"].endswith("/_emrbox/")


def test_the_page_s_files_name_nothing_outside_and_write_no_markup() -> None:
    text = "".join(file.read_text() for file in STATIC.iterdir())
    assert re.findall(r"https?://[a-z]", text) == []
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|style=", text)


def test_nodes_and_pages_of_others_get_nothing(page: Page) -> None:
    assert page.get("/_emrbox/page/state", address="10.213.8.5").status_code == 403
    assert page.get("/_emrbox/", address="10.213.8.5").status_code == 403
    assert page.get("/_emrbox/page/state", host="evil.example:4566").status_code == 403


def test_the_state_is_in_emr_s_own_words(page: Page) -> None:
    step = {"Name": EVIL, "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "command-runner.jar"}}
    cluster_id = page.launch(Steps=[step])
    state = page.json("state", cluster=cluster_id)
    assert state["version"] == 1
    assert state["totals"] == {"live": 1, "ended": 0, "nodes": 0, "steps": 0, "failed": 0}
    assert state["events"] == [EVENT]
    [line] = state["clusters"]
    assert (line["Id"], line["Status"]["State"], line["Hollow"]) == (cluster_id, "WAITING", True)
    assert line["Instances"] == {"MASTER": 1, "CORE": 2}
    assert line["Steps"] == {"COMPLETED": 1}
    cluster = state["cluster"]
    assert [step["Name"] for step in cluster["Steps"]] == [EVIL]
    assert [len(group["Instances"]) for group in cluster["Groups"]] == [1, 2]
    assert cluster["Status"]["Timeline"]["ReadyDateTime"].endswith("+00:00")


def test_what_failed_and_why_stands_in_the_list_and_can_be_found(page: Page) -> None:
    args = ["emrbox-script", "--exit-code", "1", "--message", "java.lang.OutOfMemoryError"]
    step = {"ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args}}
    failed = page.launch(Name="one", Steps=[{"Name": "train", **step}])
    page.launch(Name="two")
    state = page.json("state")
    assert state["totals"]["failed"] == 1
    assert [line["Failure"] for line in state["clusters"]] == [None, "train: java.lang.OutOfMemoryError"]
    for wanted in ("failed", "outofmemory", "ONE", failed):
        found = page.json("state", find=wanted)
        assert ([line["Id"] for line in found["clusters"]], found["matching"]) == ([failed], 1), wanted
    assert page.json("state", find="none such")["cluster"] is None


def test_live_clusters_come_first_and_the_first_is_shown(page: Page) -> None:
    ended = page.launch(Name="ended")
    first, second = page.launch(Name="first"), page.launch(Name="second")
    caller = Caller("arn:aws:iam::123456789012:user/tester", lambda: [ALL])
    page.service.call("TerminateJobFlows", {"JobFlowIds": [ended]}, caller)
    page.clock.advance(1)
    state = page.json("state")
    assert [line["Id"] for line in state["clusters"]] == [second, first, ended]
    assert state["cluster"]["Id"] == second
    assert page.json("state", cluster=ended)["cluster"]["Id"] == ended
    assert page.json("state", cluster="j-NONE")["cluster"] is None


def test_calls_are_the_last_ones_newest_first(page: Page) -> None:
    log = page.config.log_folder / "calls.jsonl"
    log.write_text("".join(json.dumps({"operation": str(number)}) + "\n" for number in range(5000)) + '{"op')
    calls = page.json("state")["calls"]
    assert len(calls) == 200
    assert [call["operation"] for call in calls[:2]] == ["4999", "4998"]


def test_a_node_s_log_is_read_as_it_grows(page: Page) -> None:
    cluster_id = page.launch()
    instance, root = page.node_folder(cluster_id)
    file = root / "mnt/var/log/hadoop/steps/s-1/stderr"
    file.write_bytes(b"<b>one</b>\xff\n")
    [node] = page.json("logs", cluster=cluster_id)["nodes"]
    assert node["files"] == [{"path": "hadoop/steps/s-1/stderr", "size": 12}]
    query = {"cluster": cluster_id, "instance": instance, "path": "hadoop/steps/s-1/stderr"}
    assert page.json("node-log", **query) == {"text": "<b>one</b>\ufffd\n", "cut": None}
    file.write_bytes(b"x" * 300_000 + b"end")
    long = page.json("node-log", **query)
    assert long["cut"] == "start"
    assert long["text"].endswith("end")


def test_a_node_s_log_leads_nowhere_else(page: Page, tmp_path: Path) -> None:
    cluster_id = page.launch()
    instance, root = page.node_folder(cluster_id)
    logs = root / "mnt/var/log"
    (tmp_path / "secret").write_text("canary")
    (root / "etc").mkdir()
    (root / "etc/shadow").write_text("canary")
    (logs / "out").symlink_to(tmp_path / "secret")
    (logs / "up").symlink_to("/etc/shadow")
    os.mkfifo(logs / "pipe")
    for path in ("out", "up", "../../../etc/shadow", f"../../../../../../{tmp_path}/secret", "pipe", "none"):
        answer = page.get("/_emrbox/page/node-log", cluster=cluster_id, instance=instance, path=path)
        assert answer.status_code == 400, path
        assert "canary" not in answer.text
    assert page.json("logs", cluster=cluster_id)["nodes"] == []
    other = page.get("/_emrbox/page/node-log", cluster=cluster_id, instance="../..", path="x")
    assert other.status_code == 400


def test_stored_logs_are_unpacked_and_only_the_cluster_s_own(page: Page) -> None:
    cluster_id = page.launch()
    backend = s3_backends[ACCOUNT_ID]["aws"]
    backend.create_bucket("logs", "us-east-1")
    prefix = f"emr/{cluster_id}/steps/s-1"
    backend.put_object("logs", f"{prefix}/stderr.gz", gzip.compress(b"failed\n"))
    backend.put_object("logs", f"{prefix}/bomb.gz", gzip.compress(b"0" * 50_000_000))
    backend.put_object("logs", f"{prefix}/broken.gz", b"no gzip")
    backend.put_object("logs", "emr/j-OTHER/steps/s-1/stderr.gz", gzip.compress(b"canary"))
    keys = [one["key"] for one in page.json("logs", cluster=cluster_id)["stored"]]
    assert keys == [f"{prefix}/{name}.gz" for name in ("bomb", "broken", "stderr")]
    read = page.json("stored-log", cluster=cluster_id, key=f"{prefix}/stderr.gz")
    assert read == {"text": "failed\n", "cut": None}
    bomb = page.json("stored-log", cluster=cluster_id, key=f"{prefix}/bomb.gz")
    assert (bomb["cut"], len(bomb["text"])) == ("end", 200_000)
    for key in (f"{prefix}/broken.gz", f"{prefix}/none.gz", "emr/j-OTHER/steps/s-1/stderr.gz", ""):
        assert page.get("/_emrbox/page/stored-log", cluster=cluster_id, key=key).status_code == 400


def test_the_logs_of_no_cluster_are_a_mistake_of_the_caller(page: Page) -> None:
    assert page.get("/_emrbox/page/logs", cluster="j-NONE").status_code == 400
    assert page.get("/_emrbox/page/logs").status_code == 400
