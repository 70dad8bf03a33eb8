"""`kiln logs -f`: the driver's container in cluster mode, and nothing left on a node afterwards."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from fakes import START, FakeAws, FakeCluster, shape

from kiln.aws.effects import Instance, Step
from kiln.commands import follow
from kiln.diagnosis import node_logs
from kiln.diagnosis.ssh import Ssh
from kiln.emr import clusters
from kiln.emr.request import launch_request
from kiln.errors import PreflightError
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.aws.context import Context
    from kiln.identity import Identity

SUBMITTED = "26/11/21 08:10:00 INFO YarnClientImpl: Submitted application application_1_2\n"


def test_in_cluster_mode_the_drivers_application_is_followed_once() -> None:
    driver = follow.DriverSearch()
    driver.see("26/11/21 08:10:00 INFO Client: Uploading\n")
    assert driver.take() == ""
    driver.see(SUBMITTED)
    assert (driver.take(), driver.take()) == ("application_1_2", "")


def test_in_client_mode_the_steps_own_files_are_enough() -> None:
    driver = follow.DriverSearch()
    driver.see("26/11/21 08:09:59 INFO SparkContext: Running Spark version 4.0.2\n")
    driver.see(SUBMITTED)
    assert driver.take() == ""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node that is this machine: `sudo -n` runs a command."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sudo").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (tmp_path / "bin/sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(node_logs, "CONTAINERS_FOLDER", str(tmp_path / "containers"))
    return tmp_path


def container(node: Path, name: str, text: str) -> None:
    folder = node / "containers/application_1_2" / name
    folder.mkdir(parents=True)
    (folder / "stdout").write_text(text)
    (folder / "stderr").touch()


def begin(script: str) -> subprocess.Popen[str]:
    """Run a script as sshd does: as the child of a process that ends with the connection."""
    outer = ["sh", "-c", 'sh -c "$0"; :', script]
    return subprocess.Popen(outer, stdout=subprocess.PIPE, text=True)


def test_the_drivers_container_is_printed_as_soon_as_it_is_there(node: Path) -> None:
    with begin(follow.driver_files("application_1_2")) as child:
        container(node, "container_1_2_01_000002", "an executor\n")
        container(node, "container_1_2_01_000001", "the driver\n")
        assert child.stdout is not None
        shown = iter(child.stdout.readline, "")
        assert next(line for line in shown if not line.startswith(("==>", "\n"))) == "the driver\n"
        child.kill()
        child.wait()
        # The end of its parent ends what runs on the node: else this would not end.
        assert all("executor" not in line for line in shown)


@pytest.mark.parametrize("script", [follow.driver_files("application_1_2"), follow.step_files("s-1")])
def test_a_script_that_begins_after_the_connection_was_lost_ends_at_once(node: Path, script: str) -> None:
    assert node
    # The parent has ended before the script begins.
    outer = ["sh", "-c", '(sleep 0.2; exec sh -c "$0") & exec true', script]
    finished = subprocess.run(outer, stdout=subprocess.PIPE, text=True, check=True, timeout=30)
    assert finished.stdout == ""


def test_a_script_that_waits_on_a_node_ends_with_the_connection(node: Path) -> None:
    assert node
    with begin(follow.driver_files("application_1_2")) as child:
        child.kill()
        child.wait()
        assert child.stdout is not None
        assert child.stdout.read() == ""


@pytest.mark.parametrize("said", ["connect to host 10.0.0.7 port 22: refused", ""])
def test_a_master_that_ssh_does_not_reach_is_an_error_and_not_the_end_of_the_log(
    node: Path, context: Context, aws: FakeAws, identity: Identity, said: str
) -> None:
    (node / "bin/ssh").write_text(f'#!/bin/sh\n[ "$1" = -E ] && echo "{said}" >"$2"\nexit 255\n')
    (node / "bin/ssh").chmod(0o755)
    aws.clusters["j-1"] = FakeCluster("j-1", launch_request(identity, shape(), START), 0.0)
    aws.nodes["j-1"] = [
        Instance(
            id="ci-1", ec2_instance_id="i-1", private_ip_address="10.0.0.7", group="MASTER", state="RUNNING"
        )
    ]
    ssh = Ssh(user="hadoop", key_file="", known_hosts=KnownHosts(folder=node / "hosts", cluster_id="j-1"))
    step = Step(id="s-1", name="sd", state="RUNNING", created_at=START)
    with pytest.raises(PreflightError, match=said or "the connection was lost"):
        follow.follow(context, clusters.shown(context, "j-1"), step, ssh)
