"""What EMR does on a node, tried on a folder with real processes instead of a node."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from folder_node import NOW, member

from emrbox.emr.api.launch_request import new_cluster, new_step
from emrbox.emr.life.clock import SystemClock
from emrbox.emr.life.layer import StartFailureError
from emrbox.emr.life.model import BootstrapAction
from emrbox.emr.machines import log_layout
from emrbox.emr.machines.bootstrap import run_bootstrap_actions
from emrbox.emr.machines.configurations import files
from emrbox.emr.machines.node_logs import NodeLogs
from emrbox.emr.machines.real_nodes import RealNodes
from emrbox.emr.machines.step_process import StepProcess

if TYPE_CHECKING:
    from emrbox.emr.machines.node_access import Member

LOGS = NodeLogs(SystemClock())


def keys(one: Member) -> list[str]:
    return [log.key for log in log_layout.logs_of(one, *log_layout.SOURCES)]


def start(
    root: Path, *args: str, pushed: list[Any] | None = None, killed: list[Any] | None = None
) -> tuple[StepProcess, Path]:
    request = {"Name": "s", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": list(args)}}
    step = new_step(request, NOW)
    pushes = [] if pushed is None else pushed
    kills = [] if killed is None else killed
    run = StepProcess(
        step,
        member(root),
        pushes.append,
        lambda key: f"s3://b/{key}",
        kills.append,
        failed_jobs=lambda names: [name for name in names if name.endswith("13")],
    )
    return run, root / log_layout.STEPS_FOLDER.lstrip("/") / step.id


def test_a_step_fails_whose_hadoop_jobs_have_failed_though_its_process_has_not(tmp_path: Path) -> None:
    say = "INFO YarnClientImpl: Submitted application application_12_00"
    run, logs = start(tmp_path, "bash", "-c", f"echo {say}12 >&2; echo {say}13 >&2")
    outcome = run.wait()
    assert (outcome.exit_code, outcome.failure and outcome.failure.reason) == (1, "Unknown Error.")
    assert "Hadoop jobs failed: application_12_0013\n" in (logs / "controller").read_text()


def test_a_step_has_four_logs_and_pushes_them_with_its_yarn_applications(tmp_path: Path) -> None:
    pushed: list[Any] = []
    say = "INFO Client: Submitted application application_12_000"
    run, logs = start(tmp_path, "bash", "-c", f"echo out; echo {say}1 >&2; echo {say}2 >&2", pushed=pushed)
    outcome = run.wait()
    assert (outcome.exit_code, outcome.failure) == (0, None)
    assert outcome.application_ids == ("application_12_0001", "application_12_0002")
    assert pushed == [outcome.application_ids]
    assert sorted(file.name for file in logs.iterdir()) == ["controller", "stderr", "stdout", "syslog"]
    assert (logs / "stdout").read_text().startswith("out\n")


def test_a_failed_step_reports_the_error_in_its_output(tmp_path: Path) -> None:
    run, logs = start(tmp_path, "bash", "-c", "echo 'ValueError: no rows' >&2; exit 4")
    outcome = run.wait()
    assert outcome.exit_code == 4
    assert outcome.failure is not None
    assert outcome.failure.message == "ValueError: no rows"
    assert outcome.failure.log_file == f"s3://b/steps/{logs.name}/stderr.gz"
    assert "Execution failed with code '4'" in (logs / "controller").read_text()


@pytest.mark.parametrize(("how", "code"), [("interrupt", 143), ("kill", 137)])
def test_a_step_can_be_interrupted_and_killed(tmp_path: Path, how: str, code: int) -> None:
    run, logs = start(tmp_path, "bash", "-c", "echo ready; exec sleep 60")
    while not (logs / "stdout").read_text():
        time.sleep(0.01)
    getattr(run, how)()
    assert run.wait().exit_code == code


@pytest.mark.parametrize("how", ["interrupt", "kill"])
@pytest.mark.parametrize(("said", "shown"), [("Submitted", ("application_12_0001",)), ("Submitting", ())])
def test_a_cancelled_step_takes_its_yarn_applications_with_it(
    tmp_path: Path, how: str, said: str, shown: tuple[str, ...]
) -> None:
    killed: list[Any] = []
    say = f"echo INFO Client: {said} application application_12_0001 to ResourceManager >&2"
    run, logs = start(tmp_path, "bash", "-c", f"{say}; exec sleep 60", killed=killed)
    while b"application_12" not in (logs / "stderr").read_bytes():
        time.sleep(0.01)
    getattr(run, how)()
    assert run.wait().application_ids == shown
    assert killed == [("application_12_0001",)]


def test_bootstrap_actions_run_in_order_with_their_arguments(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text('#!/bin/sh\necho "$1"\n')
    script.chmod(0o755)
    actions = [BootstrapAction("a", str(script), ("one",)), BootstrapAction("b", str(script), ("two",))]
    run_bootstrap_actions(actions, [member(tmp_path)], lambda: None, LOGS)
    logs = tmp_path / log_layout.BOOTSTRAP_FOLDER.lstrip("/")
    assert [(logs / n / "stdout").read_text() for n in "12"] == ["one\n", "two\n"]


def test_a_failing_bootstrap_action_is_worded_as_emr_does(tmp_path: Path) -> None:
    action = BootstrapAction("a", "/bin/false")
    with pytest.raises(StartFailureError) as failure:
        run_bootstrap_actions([action], [member(tmp_path)], lambda: None, LOGS)
    text = "On the master instance (i-master), bootstrap action 1 returned a non-zero return code"
    assert failure.value.ending.reason.message == text
    page = "https://docs.aws.amazon.com/emr/latest/ManagementGuide/"
    code = "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"
    assert failure.value.ending.details[0] == {
        "ErrorCode": code,
        "ErrorData": [
            {"primary-instance-id": "i-master"},
            {"bootstrap-action": "1"},
            {"return-code": "1"},
            {"amazon-s3-path": "/bin/false"},
            {"public-doc": f"{page}{code}.html"},
        ],
        "ErrorMessage": text,
    }
    with pytest.raises(StartFailureError, match=r"On 1 slave instance \(including i-core\)"):
        run_bootstrap_actions([action], [member(tmp_path, "CORE")], lambda: None, LOGS)


def test_a_folder_that_is_removed_while_it_is_listed_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers = tmp_path / log_layout.CONTAINERS_FOLDER.lstrip("/")
    for number, name in enumerate(("gone", "kept")):
        (containers / f"application_1_{number}" / name).mkdir(parents=True)
        (containers / f"application_1_{number}" / name / "stdout").touch()
    scandir = os.scandir
    gone = containers / "application_1_0/gone"

    def scan(folder: Any) -> Any:
        if gone.exists() and os.path.samestat(gone.stat(), os.fstat(folder)):
            (gone / "stdout").unlink()  # as YARN does when it has kept a container's logs long enough
            gone.rmdir()
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    assert keys(member(tmp_path)) == ["containers/application_1_1/kept/stdout"]


def test_a_step_s_logs_are_its_own_even_when_it_puts_something_else_in_their_place(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("ValueError: of the host")
    root = tmp_path / "root"
    root.mkdir()
    swap = f"cd {root}/mnt/var/log/hadoop/steps/*; rm *; ln -s {secret} controller; ln -s {secret} stderr"
    run, logs = start(root, "bash", "-c", f"{swap}; mkfifo stdout; ln -s {secret} syslog; exit 3")
    failure = run.wait().failure
    assert failure is not None
    assert failure.message is None
    assert secret.read_text() == "ValueError: of the host"
    assert (logs / "controller").is_symlink()
    assert keys(member(root)) == []


class Bucket:
    """S3's client, which takes text only as the name of an object."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def put_object(self, *, Key: str, **_: Any) -> None:  # noqa: N803  # boto3's name
        self.keys.append(Key.encode().decode())


@pytest.fixture
def real_nodes(emr: Any, tmp_path: Path) -> Any:
    """A cluster's machines: one master, a log with a name that is no text, and a bucket."""
    cluster = new_cluster(emr.run_request(LogUri="s3://b/logs"), "role", NOW)
    machines: Any = None  # nothing boots
    nodes = RealNodes(cluster, machines, "http://nowhere", SystemClock())
    nodes._members = [member(tmp_path)]
    nodes._logs._client = Bucket()
    folder = tmp_path / log_layout.STEPS_FOLDER.lstrip("/") / "s-1"
    folder.mkdir(parents=True)
    for name in (b"\xff.log", b"stdout"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    return nodes


def test_a_log_whose_name_is_no_text_is_pushed_under_an_escaped_one(real_nodes: Any) -> None:
    real_nodes._push_step("s-1")
    names = [key.rpartition("/")[2] for key in real_nodes._logs._client.keys]
    assert names == ["stdout.gz", "\\udcff.log.gz"]


def test_the_logs_of_a_late_node_that_fails_its_bootstrap_action_are_pushed(
    real_nodes: Any, tmp_path: Path
) -> None:
    late = member(tmp_path / "late", "CORE")
    real_nodes._cluster.bootstrap_actions = [BootstrapAction("a", "/bin/false")]
    real_nodes._machines = SimpleNamespace(get=lambda _: late.node)
    assert real_nodes.join(late.group, [late.instance], lambda: None) == [late.instance]
    folder = f"logs/{real_nodes._cluster.id}/node/i-core/bootstrap-actions"
    assert {f"{folder}/1/controller.gz", f"{folder}/master.log.gz"} <= set(real_nodes._logs._client.keys)


@pytest.mark.parametrize("some", [True, False])
def test_instances_are_ended_when_their_last_logs_cannot_be_pushed(
    real_nodes: Any, monkeypatch: pytest.MonkeyPatch, *, some: bool
) -> None:
    ended: list[Any] = []

    def fail(_: Any) -> None:
        raise ValueError("not a log")

    monkeypatch.setattr(real_nodes._logs, "push", fail)
    monkeypatch.setattr(real_nodes._capacity, "end", lambda *instances: ended.append(instances))
    instances = [m.instance for m in real_nodes._members]
    if some:
        real_nodes.end(instances)
    else:
        real_nodes.shut_down()
    assert ended == ([(instances,)] if some else [()])


def test_configurations_reach_the_files_and_the_groups_win_over_the_clusters() -> None:
    cluster: list[dict[str, Any]] = [
        {"Classification": "yarn-site", "Properties": {"a": "cluster", "b": "<&>"}},
        {
            "Classification": "spark-env",
            "Configurations": [
                {
                    "Classification": "export",
                    "Properties": {"PYSPARK_PYTHON": "/opt/x y/python", "P": "$HOME/x"},
                }
            ],
        },
        {"Classification": "spark-defaults", "Properties": {"spark.executor.memory": "1g"}},
    ]
    group: list[dict[str, Any]] = [{"Classification": "yarn-site", "Properties": {"a": "group"}}]
    found = files("master.internal", 2, cluster, group)
    assert "<name>a</name><value>group</value>" in found["/etc/hadoop/conf/yarn-site.xml"]
    assert "<value>&lt;&amp;&gt;</value>" in found["/etc/hadoop/conf/yarn-site.xml"]
    assert "hdfs://master.internal:8020" in found["/etc/hadoop/conf/core-site.xml"]
    assert "export PYSPARK_PYTHON='/opt/x y/python'\n" in found["/etc/spark/conf/spark-env.sh"]
    assert 'export P="$HOME/x"\n' in found["/etc/spark/conf/spark-env.sh"]
    assert "spark.executor.memory 1g\n" in found["/etc/spark/conf/spark-defaults.conf"]


def test_what_no_software_here_reads_is_written_where_emr_puts_it() -> None:
    asked = [{"Classification": "spark-hive-site", "Properties": {"hive.metastore.uris": "thrift://m"}}]
    written = files("10.0.0.1", 1, asked)
    assert "<value>thrift://m</value>" in written["/etc/spark/conf/hive-site.xml"]
    assert not any("emrfs" in path for path in written)


def test_maximize_resource_allocation_gives_each_executor_a_whole_node() -> None:
    configuration = [{"Classification": "spark", "Properties": {"maximizeResourceAllocation": "true"}}]
    defaults = files("m", 3, configuration)["/etc/spark/conf/spark-defaults.conf"]
    assert "spark.executor.instances 3\n" in defaults
    assert "spark.executor.cores 4\n" in defaults
