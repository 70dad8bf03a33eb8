"""`kiln ssh` and the words behind --: what is executed, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fakes import MASTER, START, FakeAws, FakeCluster, shape

from kiln import cli
from kiln.commands import shared
from kiln.commands import ssh as command
from kiln.diagnosis.ssh import Ssh
from kiln.emr.request import launch_request
from kiln.errors import PreflightError
from kiln.host_keys.known_hosts import KnownHosts
from kiln.settings import resolve

if TYPE_CHECKING:
    from pathlib import Path

    from kiln.aws.context import Context
    from kiln.identity import Identity

NAMED = ["ssh", "model_building", "--env", "local"]


@pytest.fixture
def _reachable(
    monkeypatch: pytest.MonkeyPatch, context: Context, aws: FakeAws, identity: Identity, tmp_path: Path
) -> None:
    monkeypatch.setattr(resolve, "part", lambda *_: SimpleNamespace(kiln_state_uri="s3://state/kiln"))
    monkeypatch.setattr(shared, "context_of", lambda _: context)
    ssh = Ssh(
        user="hadoop",
        key_file="/k",
        known_hosts=KnownHosts(folder=tmp_path / "hosts", cluster_id="j-1"),
        proxy_command="hop %h %p",
    )
    monkeypatch.setattr(shared, "ssh_of", lambda *_: ssh)
    aws.clusters["j-1"] = FakeCluster("j-1", launch_request(identity, shape(), START), 0.0)
    aws.nodes["j-1"] = [MASTER]


@pytest.mark.usefixtures("_reachable")
def test_the_key_the_proxy_and_the_pinned_host_keys_are_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main([*NAMED, "-o", "json", "--", "df", "-h", "--env", "x"]) == 0
    document = json.loads(capsys.readouterr().out)
    words = document["command"]
    assert (document["kind"], document["address"], words[0]) == ("ssh", "10.0.0.7", "ssh")
    assert words[-5:] == ["hadoop@10.0.0.7", "df", "-h", "--env", "x"]
    for option in (
        f'UserKnownHostsFile="{tmp_path}/hosts/j-1"',
        "HostKeyAlias=i-1",
        "ProxyCommand=hop %h %p",
        "/k",
    ):
        assert option in words
    assert (tmp_path / "hosts").stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("_reachable")
def test_an_unknown_node_and_a_run_without_cluster_are_clear_errors(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*NAMED, "--node", "core-9"]) == 2
    assert "j-1 has no node core-9" in capsys.readouterr().err
    aws.clusters.clear()
    assert cli.main(NAMED) == 18
    assert "no live cluster" in capsys.readouterr().err


def test_kiln_becomes_ssh_with_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    (tmp_path / "ssh").chmod(0o755)
    code = f"from {command.__name__} import _become; _become(['ssh', 'a b', '$c'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (7, "a b $c\n")


def test_without_ssh_on_this_machine_the_error_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError, match="no ssh"):
        command._become(["ssh"])


@pytest.mark.parametrize("port", ["0", "80", "65534", "x", "-1", "²", "9" * 5000])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tunnel", "p", "--env", "local", f"--port={port}"]) == 2
    assert "no port from 1024 to 65533" in capsys.readouterr().err
