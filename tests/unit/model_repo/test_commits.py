"""Branches, tags and commit ids: each becomes one commit, or one clear line."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import git_repos
import pytest
from git_repos import git
from hostile import Sentinel, many, texts
from hypothesis import given

from kiln.errors import KilnError, PreflightError, UsageError, caught
from kiln.model_repo import commits, versions
from kiln.model_repo.git_remote import Remote

if TYPE_CHECKING:
    from pathlib import Path


def local(repo: Path) -> Remote:
    return Remote(url=str(repo), protocols=("file",))


def resolve(repo: Path, version: str = "", branch: str = "main") -> str:
    return commits.resolve(local(repo), versions.wanted(branch, version))


def head(repo: Path, name: str = "HEAD") -> str:
    return git("-C", repo, "rev-parse", f"{name}^{{commit}}")


def replace_git(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    fake = folder / "bin/git"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")


def use_protocol_0(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server behave as one that gives only what its refs are at."""
    replace_git(folder, monkeypatch, f'exec {shutil.which("git")} -c protocol.version=0 "$@"')


@pytest.mark.parametrize(
    "name",
    [
        *("*", "m*n", "ma?n", "[a-z]*", "-x", "--upload-pack=x", "a..b", "a b", "a~1", "a^", "a:b", "a\\b"),
        *("@", "a@{1}", ".a", "a/.b", "a.lock", "a.lock/b", "/a", "a/", "a//b", "a.", "a\n", "a\x7f"),
    ],
)
def test_what_is_no_branch_and_no_version_is_refused_in_one_line(name: str) -> None:
    for key, values in (("model_repo_branch", (name, "")), ("model_repo_version", ("main", name))):
        with pytest.raises(UsageError, match=key) as error:
            versions.wanted(*values)
        assert error.value.message.isprintable()


def test_a_pipeline_without_branch_and_version_is_refused() -> None:
    with pytest.raises(UsageError, match="model_repo_branch is ''"):
        versions.wanted("", "")


def test_a_branch_is_never_taken_for_another_ref(repo: Path) -> None:
    git("-C", repo, "branch", "feature/main2")
    git("-C", repo, "tag", "v1")
    git("-C", repo, "update-ref", "refs/foo/refs/heads/only", "HEAD")
    for name in ("main2", "v1", "only", "mai", head(repo), head(repo)[:7]):
        with pytest.raises(PreflightError, match=f"no branch {name} .model_repo_branch"):
            resolve(repo, branch=name)
    assert resolve(repo, branch="feature/main2") == head(repo)


def test_a_version_is_a_branch_a_tag_or_a_commit(repo: Path) -> None:
    """An annotated tag is an object of its own; its commit counts. So does an old commit."""
    first = head(repo)
    git("-C", repo, "tag", "light")
    git("-C", repo, "tag", "-a", "v1.4", "-m", "release")
    second = git_repos.commit(repo, job="print(2)\n")
    assert git("-C", repo, "rev-parse", "v1.4") != first
    for version in ("light", "v1.4", "refs/tags/v1.4", first, first[:7], first[:12]):
        assert resolve(repo, version) == first, version
    for version in ("main", "refs/heads/main", second, second[:7]):
        assert resolve(repo, version) == second, version


@pytest.mark.parametrize("version", ["v2", "refs/tags/main", "refs/heads/v1", "abcdef0", "a" * 40, "b" * 64])
def test_a_version_that_the_remote_does_not_have_is_said(repo: Path, version: str) -> None:
    git("-C", repo, "tag", "v1")
    with pytest.raises(PreflightError, match=f"no branch, tag or commit {version} .model_repo_version"):
        resolve(repo, version)


def test_a_name_of_a_branch_and_a_tag_is_refused_with_both_commits(repo: Path) -> None:
    git("-C", repo, "tag", "release")
    first = head(repo)
    git("-C", repo, "switch", "-q", "-c", "release")
    second = git_repos.commit(repo, job="print(2)\n")
    with pytest.raises(PreflightError, match="model_repo_version is release") as error:
        resolve(repo, "release")
    assert {first, second} <= set(error.value.message.replace(",", " ").replace(")", " ").split())
    assert "refs/heads/release" in error.value.fix
    assert resolve(repo, "refs/heads/release") == second
    assert resolve(repo, "refs/tags/release") == first


def test_an_id_that_several_commits_begin_with_is_refused_with_them(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ("abcdef01" + "0" * 32, "abcdef01" + "1" * 32)
    answer = f"case $* in *rev-list*) printf '%s\\n' {' '.join(found)};; esac"
    replace_git(tmp_path, monkeypatch, answer)
    with pytest.raises(PreflightError, match="2 commits begin with it") as error:
        resolve(repo, "abcdef01")
    assert error.value.details == found


def test_digits_that_a_branch_is_named_by_are_its_name(repo: Path) -> None:
    """As git reads them, but for a whole id."""
    first = head(repo)
    git("-C", repo, "branch", "deadbeef")
    second = git_repos.commit(repo, job="print(2)\n")
    git("-C", repo, "update-ref", f"refs/heads/{first}", second)
    assert resolve(repo, "deadbeef") == first
    assert resolve(repo, first) == first


def test_the_id_of_a_tag_is_no_commit(repo: Path) -> None:
    git("-C", repo, "tag", "-a", "v1", "-m", "release")
    with pytest.raises(PreflightError, match="no branch, tag or commit"):
        resolve(repo, git("-C", repo, "rev-parse", "v1^{tag}"))


def test_a_commit_that_the_server_does_not_serve_by_its_id_is_found(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = head(repo)
    git_repos.commit(repo, job="print(2)\n")
    git("-C", repo, "switch", "-q", "-c", "gone")
    gone = git_repos.commit(repo, job="print(3)\n")
    git("-C", repo, "switch", "-q", "main")
    git("-C", repo, "branch", "-q", "-D", "gone")
    use_protocol_0(tmp_path, monkeypatch)
    assert resolve(repo, first) == first
    with pytest.raises(PreflightError, match=f"no branch, tag or commit {gone}"):
        resolve(repo, gone)


def test_a_remote_that_answers_no_commit_is_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = "a" * 40
    for line in (f"{good}\trefs/heads/other", "$(touch x)\trefs/heads/main", f"{'a' * 39}\trefs/heads/main"):
        replace_git(tmp_path, monkeypatch, f"printf '%s\\n' '{line}'")
        with pytest.raises(PreflightError, match="no branch main"):
            resolve(repo)


def test_a_remote_out_of_reach_is_said(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"nowhere.*model_repo_url.*cannot be read"):
        resolve(tmp_path / "nowhere")


@many
@given(text=texts("main", "v1.4", "refs/heads/main", "abcdef0"))
def test_no_version_becomes_an_option_or_a_pattern(text: str) -> None:
    found: list[versions.Wanted] = []
    for values in ((text, ""), ("main", text)):
        error = caught(lambda values=values: found.append(versions.wanted(*values)))  # type: ignore[misc]  # bound at once
        if error:
            assert isinstance(error, UsageError)
            assert error.message.isprintable()
            assert len(error.message) < 200
    for asked in found:
        assert all(name.startswith(("refs/heads/", "refs/tags/")) for name in asked.refs)
        assert not any(sign in name for name in asked.refs for sign in "*?[ \n\x00")
        assert asked.refs or asked.is_whole_commit


@many
@given(text=texts(f"{'a' * 40}\trefs/heads/main", f"{'b' * 40}\trefs/tags/v1^{{}}", "\t"))
def test_an_answer_of_a_server_is_read_as_names_and_commits_only(text: str) -> None:
    refs = versions.listed(text)
    assert all(versions.check_commit(commit) == commit for commit in refs.values())
    found: list[str | None] = []
    error = caught(lambda: found.append(versions.chosen(versions.wanted("main", "v1"), refs)))
    assert error is None or isinstance(error, KilnError)


def test_hostile_values_never_run_a_command(repo: Path, tmp_path: Path) -> None:
    sentinel = Sentinel(tmp_path)
    for value in (
        "--upload-pack=touch SENTINEL",
        "ext::touch% SENTINEL",
        "ssh://-oProxyCommand=touch SENTINEL/x",
    ):
        text = sentinel.within(value)
        with pytest.raises(UsageError):
            commits.resolve(Remote(url=text, protocols=("file", "ssh")), versions.wanted("main"))
        with pytest.raises(UsageError):
            resolve(repo, text)
    sentinel.check()
