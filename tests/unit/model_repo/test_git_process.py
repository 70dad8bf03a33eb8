"""git as a process: what its caller's shell and configuration say has no part in it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from kiln.errors import PreflightError
from kiln.model_repo import git_process

if TYPE_CHECKING:
    from pathlib import Path


def shown(words: str) -> str:
    """Return what a command sees that git starts."""
    return git_process.run(["-c", f"alias.shown=!echo {words}", "shown"], 30, "git").stdout.strip()


def test_variables_of_git_in_the_callers_shell_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = {
        "GIT_DIR": "/nowhere",
        "GIT_ALLOW_PROTOCOL": "ext",
        "GIT_ASKPASS": "/opt/print-token",
        "GIT_SSH_COMMAND": "touch x",
        "GIT_TERMINAL_PROMPT": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "url.ext::touch.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://",
        "GIT_CONFIG_PARAMETERS": "'core.sshCommand=touch x'",
        "GIT_CONFIG_GLOBAL": str(tmp_path / "global"),
        "GIT_EXEC_PATH": str(tmp_path),
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "global").write_text("[canary]\n\tvalue = 1\n")
    assert git_process.run(["config", "--get-regexp", "^(canary|url)"], 30, "git").stdout == ""
    names = '"[$GIT_DIR,$GIT_ALLOW_PROTOCOL,$GIT_ASKPASS,$GIT_SSH_COMMAND,$GIT_TERMINAL_PROMPT]"'
    assert shown(names) == "[,,,,0]"


def test_configuration_of_the_user_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that prints a password, and a filter that would fetch the files of Git LFS."""
    (tmp_path / ".gitconfig").write_text('[credential]\n\thelper = store\n[filter "lfs"]\n\tsmudge = x\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert git_process.run(["config", "--get-all", "credential.helper"], 30, "git").stdout == "\n"
    assert git_process.run(["config", "--get", "filter.lfs.smudge"], 30, "git").stdout == ""


def test_no_transport_is_used_that_nobody_has_allowed(repo: Path) -> None:
    for url in (str(repo), f"file://{repo}", "https://host/x", "ssh://host/x", "ext::true"):
        finished = git_process.run(["ls-remote", "--", url], 30, "git")
        assert "not allowed" in git_process.reported(finished), finished


def test_a_machine_without_git_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError, match="git is not installed"):
        git_process.run(["version"], 30, "git")


def test_git_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child would hold the pipes open."""
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nsleep 4243 & wait\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(PreflightError, match="the remote did not answer"):
        git_process.run(["ls-remote"], 1, "the remote")


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
    assert git_process.reported(finished) == words
