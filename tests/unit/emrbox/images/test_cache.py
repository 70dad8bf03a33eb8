from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emrbox.images.cache import Recipe, digest, ensure

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/emrbox"


def build(folder: Path) -> None:
    (folder / "file").write_text("x")


def test_a_second_build_does_nothing() -> None:
    said: list[str] = []
    recipe = Recipe("thing", "because", "0" * 64, build)
    first = ensure(recipe, said.append)
    assert (first / "file").read_text() == "x"
    assert [line.partition(":")[0] for line in said] == ["thing", "thing"]
    assert ensure(recipe, said.append) == first
    assert len(said) == 2


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        ensure(Recipe("thing", "because", "1" * 64, fail), lambda _: None)
    assert [p.name for p in cache.iterdir()] == [".lock-thing"]


def test_what_a_killed_build_left_is_removed(cache: Path) -> None:
    (cache / ".building-thing-abc").mkdir(parents=True)
    ensure(Recipe("thing", "because", "2" * 64, build), lambda _: None)
    assert not (cache / ".building-thing-abc").exists()


def test_a_digest_knows_contents_names_and_modes_but_not_python_layout(tmp_path: Path) -> None:
    file, program = tmp_path / "a.sh", tmp_path / "p.py"
    file.write_text("one")
    program.write_text("x = 1\n")
    first = digest(tmp_path)
    program.write_text("x  =  1  # the same\n")
    assert digest(program) == digest(program)
    file.chmod(0o755)
    second = digest(tmp_path)
    file.write_text("two")
    assert len({first, second, digest(tmp_path)}) == 3


def test_a_comment_in_a_recipe_rebuilds_nothing(tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text("x = 1\n")
    before = digest(program)
    program.write_text("x  =  1  # said differently\n")
    assert digest(program) == before
    program.write_text("x = 2\n")
    assert digest(program) != before
