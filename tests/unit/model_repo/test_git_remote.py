"""git with addresses and branches that mean harm, and with remotes that answer what was not asked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest
from hostile import Sentinel, many, texts
from hypothesis import given

from kiln.errors import PreflightError, UsageError, caught
from kiln.model_repo import git_archive, git_remote

if TYPE_CHECKING:
    from pathlib import Path


def git(*arguments: str | Path) -> str:
    options = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    command = ["git", *options, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    git("init", "-q", "-b", "main", folder)
    (folder / "job.py").write_text("print(1)\n")
    git("-C", folder, "add", ".")
    git("-C", folder, "commit", "-q", "-m", "first")
    return folder


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/model_repo.git",
        "https://git.example.com/team/repo.git",
        "https://bot@git.example.com:8443/team/repo.git",
        "ssh://git@git.example.com:22/team/repo.git",
        "git@git.example.com:team/repo.git",
        "git.example.com:team/repo.git",
        "file:///srv/git/repo.git",
        "ssh://git@[2001:db8::1]/repo.git",
    ],
)
def test_an_address_of_a_remote_passes(url: str) -> None:
    assert git_remote.check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "repo.git",
        "../repo.git",
        "--upload-pack=touch x",
        "-x",
        "ext::sh -c touch% x",
        "ext::sh",
        "fd::7",
        "git://git.example.com/repo.git",
        "ftp://git.example.com/repo.git",
        "ssh://-oProxyCommand=x/repo.git",
        "ssh://git@-oProxyCommand=x/repo.git",
        "-oProxyCommand=x:repo.git",
        "git@-oProxyCommand=x:repo.git",
        "git@host:-repo.git",
        "ssh://host/-repo.git",
        "https://host/re\npo.git",
        "https://host/re po.git",
        "file://host/repo.git",
        "https://",
        "https://[::1/repo",
    ],
)
def test_what_is_no_address_of_a_remote_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="model_repo_url") as error:
        git_remote.check_url(url)
    assert error.value.message.isprintable()
    assert error.value.fix


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="holds a password") as error:
        git_remote.check_url("https://bot:canary-secret@git.example.com/repo.git")
    assert "canary-secret" not in error.value.message + error.value.fix


@pytest.mark.parametrize(
    "branch",
    [
        *("*", "m*n", "ma?n", "[a-z]*", "-x", "--upload-pack=x", "a..b", "a b", "a~1", "a^", "a:b", "a\\b"),
        *("", "@", "a@{1}", ".a", "a/.b", "a.lock", "a.lock/b", "/a", "a/", "a//b", "a.", "a\n", "a\x7f"),
    ],
)
def test_what_is_no_branch_is_refused_in_one_line(branch: str) -> None:
    with pytest.raises(UsageError, match="model_repo_branch") as error:
        git_remote.check_branch(branch)
    assert error.value.message.isprintable()


def test_a_branch_of_another_name_is_never_taken(remote: Path) -> None:
    git("-C", remote, "branch", "feature/main2")
    git("-C", remote, "tag", "v1")
    git("-C", remote, "update-ref", "refs/foo/refs/heads/only", "HEAD")
    for name in ("main2", "v1", "only", "mai"):
        with pytest.raises(PreflightError, match=f"no branch {name}"):
            git_remote.resolve(str(remote), name)
    assert git_remote.resolve(str(remote), "feature/main2") == git("-C", remote, "rev-parse", "main")


def test_a_remote_that_answers_no_commit_is_refused(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    good = "a" * 40
    for line in (f"{good}\trefs/heads/other", "$(touch x)\trefs/heads/main", f"{'a' * 39}\trefs/heads/main"):
        fake.write_text(f"#!/bin/sh\nprintf '%s\\n' '{line}'\n")
        fake.chmod(0o755)
        with pytest.raises(PreflightError, match="no branch main"):
            git_remote.resolve(str(remote), "main")


def test_a_remote_that_does_not_answer_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh, git's child, would hold the pipes open."""
    fake = tmp_path / "bin/ssh"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 4243\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(PreflightError, match="did not answer"):
        git_remote.resolve("git@git.example.com:repo.git", "main", 1)


def test_the_shell_of_the_caller_does_not_decide_which_repository_is_meant(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    monkeypatch.chdir(remote)
    found = git_remote.resolve(str(remote), "main")
    monkeypatch.delenv("GIT_DIR")
    assert found == git("-C", remote, "rev-parse", "main")


@pytest.mark.parametrize("program", ["", "/opt/ci/print token"])
def test_a_program_of_the_caller_that_prints_a_token_is_kept(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setenv("GIT_ASKPASS", program)
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "1")
    shown = '!echo "$GIT_ASKPASS,$GIT_TERMINAL_PROMPT"'
    assert git_remote.run(["-c", f"alias.shown={shown}", "shown"], 30, "git").stdout == f"{program},0\n"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["Warning: Permanently added 'h'", "fatal: no access", "Please make sure"], "fatal: no access"),
        (["** a greeting **", "ERROR: Repository not found.", "fatal: end"], "ERROR: Repository not found."),
        (["** a greeting **", "ssh: cannot resolve\x1b[2J", ""], "ssh: cannot resolve[2J"),
        ([], "git exited with 128"),
    ],
)
def test_the_line_with_the_reason_is_reported(lines: list[str], words: str) -> None:
    finished = subprocess.CompletedProcess(["git"], 128, "", "\n".join(lines))
    assert git_remote.reported(finished) == words


def members(archive: Path) -> set[str]:
    with tarfile.open(archive) as opened:
        return set(opened.getnames())


def test_a_commit_is_packed_once_and_one_that_is_cut_off_again(remote: Path, tmp_path: Path) -> None:
    commit = git("-C", remote, "rev-parse", "main")
    packed, _ = git_archive.archive(str(remote), commit, "model_repo", tmp_path / "cache")
    assert members(packed) == {"job.py", ".kiln-release"}
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    again, same = git_archive.archive(str(remote), commit, "model_repo", tmp_path / "cache")
    assert members(again) == {"job.py", ".kiln-release"}
    assert same == hashlib.sha256(again.read_bytes()).hexdigest()
    assert list((tmp_path / "cache").glob(".*")) == []


def test_two_may_pack_at_once(remote: Path, tmp_path: Path) -> None:
    commit = git("-C", remote, "rev-parse", "main")
    found: list[tuple[Path, str]] = []

    def pack() -> None:
        found.append(git_archive.archive(str(remote), commit, "model_repo", tmp_path / "cache"))

    threads = [threading.Thread(target=pack) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    assert len(set(found)) == 1


@pytest.mark.parametrize("name", ["../x", "..", ".", "-x", "a/b", "", "a\n", "x" * 101])
def test_a_name_that_is_no_folder_is_refused(remote: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="model_repo_name"):
        git_archive.archive(str(remote), "a" * 40, name, tmp_path / "cache")


def test_what_is_no_commit_is_refused(remote: Path, tmp_path: Path) -> None:
    for commit in ("main", "--output=x", "a" * 39, "A" * 40):
        with pytest.raises(UsageError, match="is no commit"):
            git_archive.archive(str(remote), commit, "model_repo", tmp_path / "cache")


@many
@given(text=texts("https://host/x", "git@host:x", "main"))
def test_no_value_becomes_an_option_or_a_transport_that_runs_commands(text: str) -> None:
    for check, value in (
        (git_remote.check_url, text),
        (git_remote.check_url, f"ssh://{text}/x"),
        (git_remote.check_branch, text),
    ):
        error = caught(lambda check=check, value=value: check(value))  # type: ignore[misc]  # bound at once
        if error:
            assert isinstance(error, UsageError)
            assert error.message.isprintable()
            assert len(error.message) < 200
            continue
        assert value.isprintable()
        assert not value.startswith("-")
        assert "::" not in value.partition("/")[0]
        # In an address a host would begin with the dash; in a branch's name it is a letter like others.
        if check is git_remote.check_url and not value.startswith("/"):
            assert "@-" not in value
            assert "//-" not in value


def test_hostile_values_never_run_a_command(remote: Path, tmp_path: Path) -> None:
    sentinel = Sentinel(tmp_path)
    for value in (
        "--upload-pack=touch SENTINEL",
        "ext::touch% SENTINEL",
        "ssh://-oProxyCommand=touch SENTINEL/x",
    ):
        with pytest.raises(UsageError):
            git_remote.resolve(sentinel.within(value), "main")
        with pytest.raises(UsageError):
            git_remote.resolve(str(remote), sentinel.within(value))
    sentinel.check()
