from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from emrbox.images.cache import Recipe, digest, ensure, prune

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


def test_an_image_that_was_emptied_is_built_again() -> None:
    recipe = Recipe("thing", "because", "3" * 64, build, proof="file")
    (ensure(recipe, lambda _: None) / "file").unlink()
    assert not recipe.is_built
    assert (ensure(recipe, lambda _: None) / "file").exists()


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


def test_pruning_keeps_what_is_wanted_or_used_or_not_its_own(cache: Path) -> None:
    made = [ensure(Recipe("thing", "", digit * 64, build), lambda _: None) for digit in "345"]
    others = [cache / name for name in ("log", "thing-else", "other-" + "6" * 16)]
    for folder in others:
        folder.mkdir()
    (cache / ".removing-thing-7").mkdir()
    keeper = os.open(made[1], os.O_RDONLY)
    fcntl.flock(keeper, fcntl.LOCK_SH)
    said: list[str] = []
    prune([Recipe("thing", "", "3" * 64, build)], said.append)
    os.close(keeper)
    assert {p for p in cache.iterdir() if not p.name.startswith(".lock")} == {made[0], made[1], *others}
    assert [line.split(",")[0] for line in said] == [
        f"{made[1].name}: stays",
        f"{made[2].name}: removed",
    ]


def test_what_is_held_stays_until_the_holder_ends(cache: Path) -> None:
    made = ensure(Recipe("thing", "", "8" * 64, build), lambda _: None)
    program = "import sys; from pathlib import Path; from emrbox.images.cache import hold\n"
    program += "hold([Path(sys.argv[1])]); print(flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", program, made], stdin=pipe, stdout=pipe)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"\n"
    prune([Recipe("thing", "", "9" * 64, build)], lambda _: None)
    assert made.exists()
    holder.kill()
    holder.communicate()
    prune([Recipe("thing", "", "9" * 64, build)], lambda _: None)
    assert not made.exists()
    assert cache.exists()
