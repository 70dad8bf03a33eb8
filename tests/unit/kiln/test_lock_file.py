"""Lock files that would make pip run or read something else than hashed wheels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st
from pip._internal.req import parse_requirements

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
    ],
)
def test_a_pinned_requirement_with_hashes_passes(tmp_path: Path, line: str) -> None:
    lock_file.check(written(tmp_path, f"# comment\n\n{line}\n"), "lock.txt")


@pytest.mark.parametrize(
    ("line", "words"),
    [
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
        ("-e .", "name==version"),
        ("-r other.txt", "name==version"),
        ("-c other.txt", "name==version"),
        ("--index-url https://host", "name==version"),
        ("--find-links /srv", "name==version"),
        ("--no-binary :all:", "name==version"),
        (f"numpy==1.0 {HASH} --config-settings=x=y", "name==version"),
        (f"numpy==1.0 ; python_version<'4' -e . {HASH}", "name==version"),
        (f"numpy[a -e .]==1.0 {HASH}", "name==version"),
        (f"numpy==${{VERSION}} {HASH}", "name==version"),
        (f"numpy==1.0\t{HASH}", "name==version"),
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


@many
@given(text=st.one_of(st.lists(PARTS, max_size=8).map("".join), texts(GOOD)))
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
        assert "://" not in found.requirement
        assert set((found.options or {}).get("hashes", {})) == {"sha256"}
