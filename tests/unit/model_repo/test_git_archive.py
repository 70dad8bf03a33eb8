"""A commit as an archive: packed once, whole, with all of its files in it."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import threading
from typing import TYPE_CHECKING

import git_repos
import pytest
from git_repos import git
from hostile import many, texts
from hypothesis import given

from kiln.errors import PreflightError, UsageError
from kiln.model_repo import contents, git_archive
from kiln.model_repo.git_remote import Remote

if TYPE_CHECKING:
    from pathlib import Path

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("a" * 64)


def local(repo: Path) -> Remote:
    return Remote(url=str(repo), protocols=("file",))


def pack(repo: Path, commit: str, tmp_path: Path, name: str = "model_repo") -> tuple[Path, str]:
    return git_archive.archive(local(repo), commit, name, tmp_path / "cache")


def members(archive: Path) -> set[str]:
    with tarfile.open(archive) as opened:
        return set(opened.getnames())


def test_a_commit_is_packed_once_and_one_that_is_cut_off_again(repo: Path, tmp_path: Path) -> None:
    commit = git("-C", repo, "rev-parse", "main")
    packed, _ = pack(repo, commit, tmp_path)
    assert members(packed) == {"job.py", ".kiln-release"}
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    again, same = pack(repo, commit, tmp_path)
    assert members(again) == {"job.py", ".kiln-release"}
    assert same == hashlib.sha256(again.read_bytes()).hexdigest()
    assert list((tmp_path / "cache").glob(".*")) == []
    shutil.rmtree(repo)
    assert pack(repo, commit, tmp_path) == (again, same)


def test_two_may_pack_at_once(repo: Path, tmp_path: Path) -> None:
    commit = git("-C", repo, "rev-parse", "main")
    found: list[tuple[Path, str]] = []
    threads = [threading.Thread(target=lambda: found.append(pack(repo, commit, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    assert len(set(found)) == 1


def test_an_old_commit_is_packed_also_where_its_id_is_not_served(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = git("-C", repo, "rev-parse", "main")
    second = git_repos.commit(repo, more="print(2)\n")
    pack(repo, second, tmp_path)  # a shallow fetch, which must not hide the history
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nexec {shutil.which("git")} -c protocol.version=0 "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    packed, _ = pack(repo, first, tmp_path)
    assert members(packed) == {"job.py", ".kiln-release"}
    with pytest.raises(PreflightError, match=f"does not serve commit {'a' * 40}"):
        pack(repo, "a" * 40, tmp_path)


@pytest.mark.parametrize("name", ["../x", "..", ".", "-x", "a/b", "", "a\n", "x" * 101])
def test_a_name_that_is_no_folder_is_refused(repo: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="model_repo_name"):
        pack(repo, "a" * 40, tmp_path, name)


def test_what_is_no_commit_is_refused(repo: Path, tmp_path: Path) -> None:
    for commit in ("main", "--output=x", "a" * 39, "A" * 40):
        with pytest.raises(UsageError, match="is no commit"):
            pack(repo, commit, tmp_path)


def test_a_submodule_is_refused_by_its_path(repo: Path, tmp_path: Path) -> None:
    """Also from the cache of an earlier version, and one in a folder of which all else is left out."""
    inner = git_repos.make(tmp_path / "inner")
    (repo / "libs").mkdir()
    git("-C", repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", inner, "libs/common")
    commit = git_repos.commit(repo)
    for _ in range(2):
        with pytest.raises(UsageError, match=f"commit {commit} has a submodule, .*libs/common") as error:
            pack(repo, commit, tmp_path)
        assert "commit the files" in error.value.fix


def test_a_file_of_git_lfs_is_refused_by_its_path(repo: Path, tmp_path: Path) -> None:
    commit = git_repos.commit(repo, weights=POINTER)
    for _ in range(2):
        with pytest.raises(UsageError, match=r"has a file of Git LFS, weights\.py") as error:
            pack(repo, commit, tmp_path)
        assert "git lfs migrate export" in error.value.fix


def test_a_text_about_git_lfs_and_what_is_left_out_of_archives_pass(repo: Path, tmp_path: Path) -> None:
    (repo / "docs").mkdir()
    (repo / "docs/notes.md").write_text("x")
    (repo / ".gitattributes").write_text("docs/** export-ignore\nweights.py export-ignore\n")
    about = f"# A pointer begins with:\n{POINTER}"
    commit = git_repos.commit(repo, about=about, long=POINTER + "x" * 1024, weights=POINTER)
    packed, _ = pack(repo, commit, tmp_path)
    assert members(packed) == {".gitattributes", "docs", "about.py", "job.py", "long.py", ".kiln-release"}


@many
@given(text=texts(POINTER, "version https://git-lfs"))
def test_any_file_is_read_as_an_archive_without_a_failure(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "hostile.tar"
    file.write_bytes(text.encode(errors="surrogatepass"))
    assert contents.read(file) == contents.Contents()
