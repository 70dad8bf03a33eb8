from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

import kiln.diagnosis.ssh
from kiln.aws.effects import Instance
from kiln.diagnosis import logs, node_logs
from kiln.diagnosis.ssh import Ssh
from kiln.diagnosis.unpack import MIB
from kiln.host_keys.known_hosts import KnownHosts

if TYPE_CHECKING:
    from pathlib import Path


MOST = 18 * MIB


def test_nodes_are_reached_directly_or_by_the_command_that_is_set(tmp_path: Path) -> None:
    direct = Ssh(user="hadoop", key_file="", known_hosts=KnownHosts(folder=tmp_path, cluster_id="j-1"))
    assert "ProxyCommand=none" in direct.command("10.0.0.1")
    jump = Ssh(
        user="hadoop",
        key_file="",
        known_hosts=KnownHosts(folder=tmp_path, cluster_id="j-1"),
        proxy_command="ssh -W %h:%p bastion",
    )
    command = jump.command("10.0.0.1", "true")
    assert "ProxyCommand=ssh -W %h:%p bastion" in command
    assert command[-2:] == ["hadoop@10.0.0.1", "true"]


def written(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)


def test_the_files_of_a_step_are_read_and_what_is_no_file_is_passed_by(ssh: Ssh, tmp_path: Path) -> None:
    written(tmp_path / "steps/s-1", stdout="out\n", controller="")
    os.mkfifo(tmp_path / "steps/s-1/stderr")
    (tmp_path / "steps/s-1/syslog").symlink_to("/dev/zero")
    found = node_logs.NodeLogs(ssh, "10.0.0.1", []).step("s-1")
    assert [(log.address, log.text.strip(), log.note) for log in found] == [
        (f"10.0.0.1:{tmp_path}/steps/s-1/stdout", "out", "")
    ]


def test_of_a_step_with_large_files_each_end_is_read_whole(ssh: Ssh, tmp_path: Path) -> None:
    written(tmp_path / "steps/s-1", **{name: "x" * 5 * MIB + f"\nend of {name}" for name in logs.STEP_FILES})
    found = node_logs.NodeLogs(ssh, "10.0.0.1", []).step("s-1")
    assert [log.text.splitlines()[-1] for log in found] == [f"end of {name}" for name in logs.STEP_FILES]
    assert {log.note for log in found} == {"the last 4.2 MB of 5.2 MB; the rest is only there"}


def test_of_many_container_folders_the_newest_are_read(ssh: Ssh, tmp_path: Path) -> None:
    for attempt in range(10, 30):
        written(
            tmp_path / f"containers/application_1_1/container_1_1_{attempt}_000001", stdout=f"{attempt}\n"
        )
    found = node_logs.NodeLogs(ssh, "10.0.0.1", []).driver("application_1_1")
    assert [log.text.strip() or log.note for log in found] == [
        "18 older folders are not shown",
        "28",
        "29",
    ]


def test_a_node_that_sends_without_end_is_cut_off_and_ended(
    ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"echo $$ > {tmp_path}/id; head -c 100 /dev/zero; exec cat /dev/zero"
    answer = ssh.read("10.0.0.1", script, MOST)
    assert answer is not None
    assert answer.is_cut
    assert len(answer.text) == MOST
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "id").read_text()), 0)
    monkeypatch.setattr(node_logs, "_script", lambda mark, *_: f"echo '{mark}5 /f'; exec cat /dev/zero")
    *_, last = node_logs.NodeLogs(ssh, "10.0.0.1", []).step("s-1")
    assert last.note.startswith("more than 17.8 MB came from this node")


def test_a_node_that_fails_or_is_silent_has_no_answer(ssh: Ssh, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ssh.read("10.0.0.1", "echo x; exit 3", MOST) is None
    monkeypatch.setattr(kiln.diagnosis.ssh, "_SECONDS", 0.2)
    assert ssh.read("10.0.0.1", "sleep 4244 & sleep 4244", MOST) is None
    assert ssh.read("10.0.0.1", "exec >&-; sleep 4244", MOST) is None


def node(number: int) -> Instance:
    return Instance(
        id=f"ci-{number}",
        ec2_instance_id=f"i-{number}",
        private_ip_address=f"10.0.0.{number}",
        group="CORE",
        state="RUNNING",
    )


def test_host_keys_are_pinned_before_the_first_connection_and_belong_to_instances(ssh: Ssh) -> None:
    pinned: list[dict[str, str]] = []
    known = msgspec.structs.replace(ssh, pin=lambda nodes: pinned.append(dict(nodes))).knowing(
        [node(1), node(2)]
    )
    assert pinned == [{"i-1": "10.0.0.1", "i-2": "10.0.0.2"}]
    command = known.command("10.0.0.2")
    assert {"HostKeyAlias=i-2", "StrictHostKeyChecking=accept-new"} <= set(command)
    ssh.known_hosts.add(["i-2 ssh-ed25519 x"], [])
    assert "StrictHostKeyChecking=yes" in known.command("10.0.0.2")
    assert "HostKeyAlias=10.0.0.3" in known.command("10.0.0.3")


def test_a_node_whose_host_key_is_refused_is_reported(ssh: Ssh, tmp_path: Path) -> None:
    (tmp_path / "bin/ssh").write_text(
        '#!/bin/sh\necho "Host key verification failed." > "$2"\necho "of the node" >&2\nexit 255\n'
    )
    said: list[str] = []
    reporting = msgspec.structs.replace(ssh, report=said.append).knowing([node(1)])
    assert reporting.read("10.0.0.1", "true", MOST) is None
    (line,) = said
    assert line.startswith(f"10.0.0.1: its SSH host key is not the one in {ssh.known_hosts.file}")
    assert line.endswith("-R i-1")


def test_a_script_that_fails_with_the_words_of_ssh_is_no_refused_key(ssh: Ssh) -> None:
    said: list[str] = []
    reporting = msgspec.structs.replace(ssh, report=said.append).knowing([node(1)])
    script = "echo 'Host key verification failed.' | tee /dev/stderr; exit 1"
    assert reporting.read("10.0.0.1", script, MOST) is None
    assert said == []
