"""What is left of a node that has ended: names without content, until there are too many or the box ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emrbox.nodes import ended


def node(folder: Path, name: str = "i-1") -> Path:
    made = folder / "nodes" / name
    (made / "upper/opt/env").mkdir(parents=True)
    (made / "upper/opt/env/library.so").write_bytes(b"x" * 100_000)
    (made / "upper/read_only").write_text("text")
    (made / "upper/read_only").chmod(0o400)
    (made / "upper/link").symlink_to(folder / "of_the_host")
    os.mkfifo(made / "upper/pipe")
    return made


def test_files_are_emptied_and_nothing_else_is_touched(tmp_path: Path) -> None:
    (tmp_path / "of_the_host").write_text("stays")
    ended.put_away(node(tmp_path), tmp_path / "ended")
    assert not (tmp_path / "nodes/i-1").exists()
    (kept,) = (tmp_path / "ended").iterdir()
    files = [path for path in kept.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert sum(path.stat().st_size for path in files) == 0
    assert (tmp_path / "of_the_host").read_text() == "stays"


def test_files_that_another_end_has_removed_meanwhile_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each node ends in a thread of its own, and removes what it finds where inodes are few."""
    opened = os.open

    def gone(path: str, *words: int) -> int:
        Path(path).unlink()
        return opened(path, *words)

    monkeypatch.setattr(os, "open", gone)
    ended.put_away(node(tmp_path), tmp_path / "ended")
    assert len(list((tmp_path / "ended").iterdir())) == 1


def test_a_node_that_was_never_made_leaves_nothing(tmp_path: Path) -> None:
    ended.put_away(tmp_path / "nodes/i-1", tmp_path / "ended")
    assert list((tmp_path / "ended").iterdir()) == []


def test_the_oldest_go_when_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended, "_MOST", 2)
    for number in range(4):
        ended.put_away(node(tmp_path, f"i-{number}"), tmp_path / "ended")
    assert sorted(path.name.partition("-")[2] for path in (tmp_path / "ended").iterdir()) == ["i-2", "i-3"]


@pytest.mark.parametrize(("free", "left"), [(400, 0), (600, 1)])
def test_none_is_kept_where_inodes_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, left: int
) -> None:
    class Answer:
        f_files, f_favail = 1000, free

    monkeypatch.setattr(os, "statvfs", lambda _folder: Answer)
    ended.put_away(node(tmp_path), tmp_path / "ended")
    assert len(list((tmp_path / "ended").iterdir())) == left
