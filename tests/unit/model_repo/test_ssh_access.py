"""What ssh is given when git starts it; tests/end_to_end/test_private_remote.py has a real server."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hostile import Sentinel, many, texts
from hypothesis import given

from kiln.errors import PreflightError, UsageError, caught
from kiln.model_repo import commits, ssh_access, versions
from kiln.model_repo.address import Server
from kiln.model_repo.git_remote import Remote

MAIN = versions.wanted("main")
HOST_KEY = "git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC1Ygl+LVm9OvxpXhWCFKV8bL+q6ytA5xGzVRKE5rYpc"


def make_key(file: Path, passphrase: str = "") -> str:
    command: list[str | Path] = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", file]
    subprocess.run(command, check=True)
    return file.read_text()


@pytest.fixture
def private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for secrets, in place of memory."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr("kiln.paths.temporary_folder", lambda _: folder)
    return folder


def replace_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    fake = folder / "bin/ssh"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")


def remote(key: str = "", *host_keys: str) -> Remote:
    url = "git@git.example.com:team/repo.git"
    return Remote(url=url, host_keys=host_keys or (HOST_KEY,), deploy_key=key)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_key_is_a_file_of_its_owner_while_git_runs_and_in_no_argument(
    tmp_path: Path, private_folder: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """Seen from a program in ssh's place, which then fails as ssh does."""
    key = make_key(tmp_path / "key")
    seen = tmp_path / "seen"
    script = f"""printf '%s\\n' "$@" > {seen}.arguments
env > {seen}.environment
find {private_folder} -type f -printf '%f %m\\n' > {seen}.files
cat {private_folder}/*/deploy_key > {seen}.key
exit 255"""
    replace_ssh(tmp_path, monkeypatch, script)
    monkeypatch.setenv("GIT_SSH", "/nowhere")
    with pytest.raises(PreflightError, match="cannot be read"):
        commits.resolve(remote(key.rstrip("\n").replace("\n", ends)), MAIN)
    assert set(Path(f"{seen}.files").read_text().splitlines()) == {"deploy_key 600", "known_hosts 600"}
    assert Path(f"{seen}.key").read_text() == key
    body = key.splitlines()[1]
    arguments = Path(f"{seen}.arguments").read_text()
    assert body not in arguments + Path(f"{seen}.environment").read_text()
    wanted = {"-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes"}
    assert wanted <= set(arguments.splitlines())
    assert list(private_folder.iterdir()) == []


def test_a_remote_that_does_not_answer_is_ended_and_leaves_no_key(
    tmp_path: Path, private_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh, git's child, would hold the pipes open."""
    replace_ssh(tmp_path, monkeypatch, "exec sleep 4243")
    with pytest.raises(PreflightError, match="did not answer"):
        commits.resolve(remote(make_key(tmp_path / "key")), MAIN, 1)
    assert list(private_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Host key verification failed.", "is not the one in model_repo_host_keys"),
        ("git@host: Permission denied (publickey).", "the server refuses the SSH key"),
        ("ssh: connect to host h port 22: Connection refused", "cannot be read"),
    ],
)
def test_what_ssh_says_becomes_one_line(
    tmp_path: Path, private_folder: Path, monkeypatch: pytest.MonkeyPatch, said: str, message: str
) -> None:
    assert private_folder.is_dir()
    replace_ssh(tmp_path, monkeypatch, f"echo '{said}' >&2; exit 255")
    with pytest.raises(PreflightError, match=message) as error:
        commits.resolve(remote(), MAIN)
    assert error.value.fix


def test_a_server_whose_key_is_not_pinned_is_refused_without_a_connection(
    tmp_path: Path, private_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_ssh(tmp_path, monkeypatch, f"touch {tmp_path}/connected")
    for url in ("git@other.example.com:x", "ssh://git@git.example.com:2222/x"):
        with pytest.raises(UsageError, match="model_repo_host_keys has no key of") as error:
            commits.resolve(Remote(url=url, host_keys=(HOST_KEY,)), MAIN)
        assert "ssh-keyscan" in error.value.fix
    assert not (tmp_path / "connected").exists()
    assert list(private_folder.iterdir()) == []


def test_a_key_that_ssh_cannot_use_is_refused_and_not_shown(tmp_path: Path, private_folder: Path) -> None:
    locked = make_key(tmp_path / "locked", "passphrase")
    for key in ("canary-secret", locked, (tmp_path / "locked.pub").read_text()):
        with pytest.raises(UsageError, match="is no private key that ssh can use") as error:
            commits.resolve(remote(key), MAIN)
        assert "canary" not in error.value.message + error.value.fix
    assert list(private_folder.iterdir()) == []


def test_no_private_place_for_the_key_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiln.paths.temporary_folder", lambda _: tmp_path / "missing")
    with pytest.raises(PreflightError, match="no private place for the deploy key"):
        commits.resolve(remote(), MAIN)


@many
@given(text=texts("git.example.com ssh-ed25519 AAAA", "* ssh-ed25519 AAAA"))
def test_a_line_of_host_keys_is_one_line_of_a_known_form(text: str) -> None:
    error = caught(lambda: ssh_access.check_host_keys([text]))
    if error:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        assert "model_repo_host_keys[0]" in error.message
        assert len(error.message) < 200
    else:
        assert text.isprintable()
        assert len(text.split()) >= 3


def test_a_name_of_a_host_never_runs_a_command(tmp_path: Path, private_folder: Path) -> None:
    """Whatever a host is called, it is one word for ssh-keygen."""
    assert private_folder.is_dir()
    sentinel = Sentinel(tmp_path)
    for text in ("-oProxyCommand=touch SENTINEL", "x;touch SENTINEL", "$(touch SENTINEL)"):
        host = sentinel.within(text)
        with contextlib.suppress(UsageError), ssh_access.command(Server(host, 22), (), "") as command:
            pytest.fail(f"{host}: {shlex.split(command)}")
    sentinel.check()
