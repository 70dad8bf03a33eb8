"""`kiln logs -f`: the driver's container in cluster mode, and nothing left on a node afterwards."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from kiln.commands import follow
from kiln.diagnosis import node_logs

if TYPE_CHECKING:
    from pathlib import Path

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
