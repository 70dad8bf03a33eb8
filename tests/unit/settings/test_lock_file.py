"""Lock files that would make pip run or read something else than hashed wheels."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st
from pip._internal.req import parse_requirements
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.utils.filetypes import ARCHIVE_EXTENSIONS

from kiln.errors import UsageError, caught
from kiln.settings import lock_file

CHECKOUT = Path(__file__).resolve().parents[3]
HASH = f"--hash=sha256:{'a' * 64}"
GOOD = f"numpy==2.4.6 \\\n    {HASH} \\\n    {HASH}\n    # via x\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "lock.txt"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return file


@pytest.mark.parametrize(
    "lock", sorted((CHECKOUT / "requirements").glob("*.txt")), ids=lambda path: path.stem
)
def test_the_lock_files_of_this_checkout_pass(lock: Path) -> None:
    lock_file.check(lock, lock.name)


@pytest.mark.parametrize(
    "line",
    [
        f"numpy==1.0 {HASH}",
        f"numpy[extra,more]==1.0 {HASH}",
        f"numpy==1.0 ; python_version < '3.12' {HASH}",
        f"Some.Name==1.0rc1 {HASH} # comment",
        f"numpy==1.0 \\\n  {HASH} \\\n  {HASH}",
        f"numpy==1!2.0.1rc1.post2.dev3+cpu.cxx11.abi {HASH}",
        f"numpy [a, b] == 1.0\t;\tpython_version < '4' {HASH}",
        f"numpy==1.0\t {HASH}",
        f"numpy==1.0\t\\\n {HASH}",
        # A fork of `uv pip compile --universal`.
        f"numpy==1.0 ; python_version < '3.12' {HASH}\nnumpy==2.0 ; python_version >= '3.12' {HASH}",
    ],
)
def test_a_pinned_requirement_with_hashes_passes(tmp_path: Path, line: str) -> None:
    lock_file.check(written(tmp_path, f"# comment\n\n{line}\n"), "lock.txt")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        *((f"evil==1.0{ending} {HASH}", "name==version") for ending in ARCHIVE_EXTENSIONS),
        *((f"evil==1.0+x{ending.upper()} {HASH}", "file's name") for ending in ARCHIVE_EXTENSIONS),
        (f"evil==1.0+x.zip ; python_version<'4' {HASH}", "file's name"),
        ("numpy==1.0", "SHA-256"),
        ("numpy==1.0 --hash=md5:abcd", "SHA-256"),
        (f"numpy==1.0 {HASH} --hash=sha512:ab", "SHA-256"),
        (f"numpy>=1.0 {HASH}", "name==version"),
        (f"numpy==1.* {HASH}", "name==version"),
        (f"numpy {HASH}", "name==version"),
        (f"file:///srv/evil {HASH}", "name==version"),
        (f"./evil {HASH}", "name==version"),
        (f"evil.tar.gz {HASH}", "name==version"),
        (f"evil @ file:///srv/evil {HASH}", "name==version"),
        (f"https://host/evil.whl {HASH}", "name==version"),
        ("-e .", "is an option of pip"),
        ("-r other.txt", "is an option of pip"),
        ("-c other.txt", "is an option of pip"),
        ("--find-links /srv", "'--find-links' is an option of pip"),
        ("--no-binary :all:", "'--no-binary' is an option of pip"),
        (f"numpy==1.0 {HASH} --config-settings=x=y", "name==version"),
        (f"numpy==1.0 ; python_version<'4' -e . {HASH}", "name==version"),
        (f"numpy[a -e .]==1.0 {HASH}", "name==version"),
        (f"numpy==${{VERSION}} {HASH}", "name==version"),
        (f"numpy==1.0\t{HASH}", "a tab"),
        (f"numpy==1.0 \\\n\t{HASH}", "a tab"),
        (f"numpy[a, -e .]==1.0 {HASH}", "name==version"),
        (f"numpy==latest {HASH}", "name==version"),
        (f"numpy==1.0\\\n{HASH}", "name==version"),
        (f"numpy==1.0 {HASH} \\", "ends within"),
        (f"nump\u00fd==1.0 {HASH}", "name==version"),
    ],
)
def test_anything_else_is_refused_by_its_line(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"lock\.txt, line 5: ") as error:
        lock_file.check(
            written(tmp_path, f"{GOOD}{line}\n" if words != "ends within" else GOOD + line), "lock.txt"
        )
    assert words in error.value.message
    assert error.value.message.isprintable()
    assert "CONTRIBUTING.md" in error.value.fix


@pytest.mark.parametrize(
    "line", ["-i {url}", "-i{url}", "--index-url {url}", "--extra-index-url={url}", "x @ {url}"]
)
def test_an_index_is_refused_with_the_option_that_leaves_it_out_and_without_its_password(
    tmp_path: Path, line: str
) -> None:
    text = line.format(url="https://bot:canary-secret@pypi.example.com/simple")
    with pytest.raises(UsageError, match=r"line 1: ") as error:
        lock_file.check(written(tmp_path, f"{text}\n{GOOD}"), "lock.txt")
    assert "canary-secret" not in error.value.message
    assert ("--no-emit-index-url" in error.value.fix) == line.startswith("-")


@pytest.mark.parametrize("second", ["", " ; python_version < '3.12'", ";python_version<'3.12'"])
def test_two_versions_for_one_machine_are_refused(tmp_path: Path, second: str) -> None:
    lines = [f"numpy==1.0 ; python_version < '3.12' {HASH}", f"numpy==2.0{second} {HASH}"]
    for text in ("\n".join(lines), "\n".join(reversed(lines))):
        with pytest.raises(UsageError, match="line 2: numpy stands in line 1 already"):
            lock_file.check(written(tmp_path, text), "lock.txt")


def test_a_line_that_hides_behind_another_kind_of_line_break_is_seen(tmp_path: Path) -> None:
    for sign in ("\x0b", "\x0c", "\x1c", "\x85", "\u2028"):
        with pytest.raises(UsageError, match="line 6"):
            lock_file.check(written(tmp_path, f"{GOOD}# comment{sign}-e .\n"), "lock.txt")


def test_a_package_twice_an_empty_file_another_encoding_and_no_file_are_refused(tmp_path: Path) -> None:
    for text, words in (
        (f"{GOOD}Num-Py==1 {HASH}\nnum_py==1 {HASH}\n", "line 6: num-py stands in line 5"),
        ("# nothing\n", "no requirement"),
        (f"# -*- coding: utf-7 -*-\n{GOOD}", "encoding"),
        ("\udcff", "not text in UTF-8"),
    ):
        with pytest.raises(UsageError, match=words):
            lock_file.check(written(tmp_path, text), "lock.txt")
    with pytest.raises(UsageError, match="cannot be read"):
        lock_file.check(tmp_path / "gone", "gone")


PARTS = st.sampled_from(
    ["numpy==1.0", HASH, " ", "\\\n", "\n", "-e .", "-r x", "--pre", ";", "#", "\t", "\u2028", "\xa0", "x"]
)
FILES = st.builds(
    "{}{}{}{} {}".format,
    st.sampled_from(["x==1.0", "x==1.0+y", "x[a]==1.0+y.z", "x==1.0.", "x==1.0-"]),
    st.sampled_from(["", ".", "_", "1", ".1"]),
    st.sampled_from(["", *ARCHIVE_EXTENSIONS, *(ending.upper() for ending in ARCHIVE_EXTENSIONS)]),
    st.sampled_from(["", "\t", " ; python_version<'4'", ";"]),
    st.just(HASH),
)


@many
@given(text=st.one_of(st.lists(PARTS, max_size=8).map("".join), FILES, texts(GOOD)))
def test_what_passes_is_for_pip_nothing_but_hashed_versions(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """pip's own reader decides, not a second copy of the rule."""
    file = written(tmp_path_factory.getbasetemp(), text)
    error = caught(lambda: lock_file.check(file, "lock.txt"))
    if error:
        assert isinstance(error, UsageError)
        assert error.message.isprintable()
        return
    no_network: Any = None
    for found in parse_requirements(str(file), session=no_network):
        assert not found.is_editable
        assert "==" in found.requirement
        assert install_req_from_parsed_requirement(found).link is None, "pip reads a file or an address"
        assert set((found.options or {}).get("hashes", {})) == {"sha256"}


def test_pip_runs_in_an_empty_folder_where_no_file_has_the_name_of_a_requirement(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ncase "$*" in\n*pip\\ download*) pwd; ls -A; exit 7;;\nesac\n')
    python.chmod(0o755)
    lock, made = tmp_path / "lock.txt", tmp_path / "made" / "result"
    file = CHECKOUT / "roles/emr_node/files/fetch_wheels.sh"
    arguments = (python, lock, "3.11", "x86_64", made, lock)
    finished = subprocess.run(
        ["bash", file, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 7, finished.stderr
    (folder,) = finished.stdout.splitlines()
    assert Path(folder).parent == made.parent
