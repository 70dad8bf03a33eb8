from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from emrbox.box import lifecycle, machine, process, state
from emrbox.commands import cli, switches
from emrbox.commands.environment import shell_lines, variables
from emrbox.config import BASE_IMAGE_NAME, BoxConfig, Images, image_id
from emrbox.errors import BoxError
from emrbox.images import catalog

if TYPE_CHECKING:
    from pathlib import Path


def config(home: Path) -> BoxConfig:
    images = Images(home / "base", {"emr-spark-8.0.0": (home / "classes", home / "release")}, home / "rpm")
    return BoxConfig(home, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)


def test_a_configuration_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    assert process.from_json(process.to_json(config(tmp_path))) == config(tmp_path)


def test_a_box_has_one_subnet_an_availability_zone(tmp_path: Path) -> None:
    made = config(tmp_path)
    assert list(map(str, made.subnets.values())) == [f"10.213.{n}.0/24" for n in (8, 9, 10, 11)]
    assert made.images.layers("emr-spark-8.0.0") == tuple(
        tmp_path / name for name in ("classes", "release", "base")
    )
    assert image_id(BASE_IMAGE_NAME) != image_id("emr-spark-8.0.0")


def test_every_network_is_a_candidate_once_and_a_path_has_its_own_first(tmp_path: Path) -> None:
    found = list(machine.candidates(tmp_path))
    assert len({network for _, network in found}) == len(found) == 64
    assert found == list(machine.candidates(tmp_path))


def test_a_taken_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(machine, "FIRST_PORT", taken.getsockname()[1])
        with machine.listen() as listening:
            assert listening.getsockname()[1] > taken.getsockname()[1]


def test_a_free_port_that_is_preferred_is_taken_and_a_taken_one_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with machine.listen(port) as listening:
            assert listening.getsockname()[1] >= machine.FIRST_PORT
            assert listening.getsockname()[1] != port
    with machine.listen(port) as listening:
        assert listening.getsockname()[1] == port


@pytest.mark.parametrize("content", ["", "x", "0", "-1", "65536", "1e3", "4566 4567"])
def test_a_port_file_without_a_port_is_ignored(tmp_path: Path, content: str) -> None:
    assert state.last_port(tmp_path) is None
    (tmp_path / "port").write_text(content)
    assert state.last_port(tmp_path) is None


def running_box(home: Path) -> None:
    started = state.start_time(os.getpid())
    assert started is not None
    state.save(
        home, state.BoxState(os.getpid(), started, state.boot_id(), "http://x:1", 1, "10.0.0.0/22", "")
    )


def test_the_port_of_a_box_is_known_when_it_has_ended(tmp_path: Path) -> None:
    running_box(tmp_path)
    state.clean(tmp_path)
    assert state.load(tmp_path) is None
    assert state.last_port(tmp_path) == 1


def test_a_shell_that_has_keys_and_endpoints_of_its_own_loses_them_for_the_box(tmp_path: Path) -> None:
    running_box(tmp_path)
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    own = dict.fromkeys((*keys, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_EMR"), "other")
    script = "".join(f"{line}\n" for line in shell_lines(tmp_path, own)) + "env"
    shown = subprocess.run(
        ["sh", "-euc", script],
        env={**own, "PATH": os.environ["PATH"], "AWS_PAGER": "less"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = dict(line.split("=", 1) for line in shown.splitlines() if line.startswith(("AWS_", "EMRBOX_")))
    assert found == {**variables(tmp_path), "AWS_PAGER": "less"}
    assert found["EMRBOX_HOST_CIDR"] == "10.0.0.2/32"
    assert not [name for name in found if "KEY" in name]


def test_a_pid_that_was_given_out_again_is_not_the_box(tmp_path: Path) -> None:
    started = state.start_time(os.getpid())
    assert started is not None
    mine = state.BoxState(os.getpid(), started, state.boot_id(), "http://x", 1, "10.213.8.0/22", "emrbox2")
    state.save(tmp_path, mine)
    assert state.load(tmp_path) == mine
    assert mine.is_alive
    assert not state.BoxState(**{**vars(mine), "start_time": "1"}).is_alive
    assert not state.BoxState(**{**vars(mine), "boot_id": "another"}).is_alive


def test_a_damaged_state_file_is_no_box(tmp_path: Path) -> None:
    (tmp_path / "box.json").write_text('{"pid": 1')
    assert state.load(tmp_path) is None


def test_a_box_whose_state_is_gone_is_still_found_and_ended(tmp_path: Path) -> None:
    program = "import signal; print(flush=True); signal.pause()"
    argv = [sys.executable, "-c", program, state.MODULE, str(tmp_path)]
    (tmp_path / "box.json").write_text("{")
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as lost:
        try:
            assert lost.stdout is not None
            assert lost.stdout.readline() == b"\n"  # before, it may not have a command line yet
            with pytest.raises(BoxError, match=rf"process {lost.pid}.*emrbox down"):
                lifecycle.up(tmp_path)
            assert lifecycle.down(tmp_path) is True
        finally:
            lost.kill()  # where the test fails, Popen would wait for it
    assert lost.returncode == -signal.SIGKILL
    assert lifecycle.down(tmp_path) is False


def test_parameters_of_a_fault_may_stand_behind_its_options() -> None:
    words = ["fault", "add", "slow", "--operation", "List*", "seconds=3", "--count", "2"]
    asked = switches.fault_document(cli._parse(words))
    assert asked == {"kind": "slow", "operation": "List*", "count": 2, "parameters": {"seconds": 3}}


@pytest.mark.parametrize("words", [["up", "now"], ["fault", "add", "slow", "--contt", "2", "seconds=3"]])
def test_words_that_no_command_knows_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli._parse(words)
    assert "unrecognized arguments" in capsys.readouterr().err


def test_the_administrator_s_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    lifecycle._write_aws_config(config(tmp_path))
    file = tmp_path / "aws/config"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "endpoint_url = http://127.0.0.1:4566" in file.read_text()


def test_commands_without_a_box_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMRBOX_HOME", str(tmp_path))
    assert cli.main(["env"]) == 1
    assert capsys.readouterr().err == "emrbox: not running: emrbox up\n"
    assert cli.main(["status"]) == cli.NOT_RUNNING
    assert cli.main(["logs"]) == 1


def test_images_that_are_not_built_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "check", lambda _: None)
    with pytest.raises(BoxError, match="scripts/setup"):
        lifecycle.up(tmp_path / "home")


def test_the_first_up_builds_the_images_and_a_running_box_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(machine, "check", lambda home: done.append(f"checked {home.name}"))
    monkeypatch.setattr(catalog, "missing", lambda: ["base"])
    monkeypatch.setattr(catalog, "build", lambda report: report("built"))
    lifecycle.build_missing_images(tmp_path / "home", done.append)
    assert [done[0], done[-1]] == ["checked home", "built"]
    assert "images of nodes are built first" in done[1]
    done.clear()
    running_box(tmp_path)
    lifecycle.build_missing_images(tmp_path, done.append)
    monkeypatch.setattr(catalog, "missing", list)
    lifecycle.build_missing_images(tmp_path / "another", done.append)
    assert done == []


def test_the_error_on_another_system_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(BoxError, match="virtual machine"):
        lifecycle.up(tmp_path)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from emrbox.commands import cli; cli.parser(); print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"moto", "botocore", "werkzeug", "http.client", "emrbox.box.lifecycle"} & set(modules)
