from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from emrbox.nodes import files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    me = f"{os.getuid()}:{os.getgid()}"
    (tmp_path / "etc/passwd").write_text(
        f"root:x:{me}:root:/root:/bin/sh\nhadoop:x:{me}::/home/hadoop:/bin/sh\n"
    )
    return tmp_path


def test_links_are_followed_as_the_node_would(tree: Path) -> None:
    (tree / "var").mkdir()
    (tree / "var/log").symlink_to("/mnt/var/log")
    (tree / "mnt/var/log").mkdir(parents=True)
    (tree / "mnt/var/log/up").symlink_to("../../../..")
    assert files.inside(tree, "/var/log/x") == tree / "mnt/var/log/x"
    assert files.inside(tree, "/var/log/up/etc/passwd") == tree / "etc/passwd"
    assert files.inside(tree, "../../..") == tree


def test_a_circle_of_links_is_an_error(tree: Path) -> None:
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        files.inside(tree, "/a")


def test_write_sets_mode_and_leaves_no_temporary_file(tree: Path) -> None:
    files.write(tree, "/home/hadoop/secret", b"x", "hadoop", 0o600)
    folder = tree / "home/hadoop"
    assert [entry.name for entry in folder.iterdir()] == ["secret"]
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600


def test_an_unknown_user_is_named(tree: Path) -> None:
    with pytest.raises(KeyError, match="nobody-here"):
        files.make_folder(tree, "/x", "nobody-here", 0o755)
