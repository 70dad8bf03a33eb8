"""A tree's files from outside: links, pipes and names that mean harm stay in the tree."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from emrbox import namespaces
from emrbox.nodes import files
from emrbox.nodes.files import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RENAME_EXCHANGE = 2  # from <linux/fs.h>


def make_root(root: Path) -> None:
    (root / "etc").mkdir(parents=True)
    me = f"{os.getuid()}:{os.getgid()}"
    lines = (f"root:x:{me}:root:/root:/bin/sh", "broken", "x:::::", f"hadoop:x:{me}::/home/hadoop:/bin/sh")
    (root / "etc/passwd").write_text("\n".join(lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_root(tmp_path / "root")
    return tmp_path / "root"


def test_links_are_followed_as_the_node_would(root: Path) -> None:
    (root / "var").mkdir()
    (root / "var/log").symlink_to("/mnt/var/log")
    (root / "mnt/var/log").mkdir(parents=True)
    (root / "mnt/var/log/up").symlink_to("../../../..")
    tree = Tree(root)
    tree.write("/var/log/x", b"1")
    assert (root / "mnt/var/log/x").read_bytes() == b"1"
    assert tree.read("/var/log/up/etc/passwd") == (root / "etc/passwd").read_bytes()
    assert tree.status("../../..") is not None


def test_a_link_to_a_folder_that_is_not_there_makes_it_within_the_tree(root: Path) -> None:
    (root / "srv").symlink_to("/data/deep")
    Tree(root).write("/srv/x", b"1")
    assert (root / "data/deep/x").read_bytes() == b"1"


def test_a_circle_of_links_is_an_error(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OSError, match="links"):
        Tree(root).read("/a")


def test_write_sets_mode_and_leaves_no_temporary_file(root: Path) -> None:
    Tree(root).write("/home/hadoop/secret", b"x", owner="hadoop", mode=0o600)
    folder = root / "home/hadoop"
    assert [entry.name for entry in folder.iterdir()] == ["secret"]
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600


def test_an_unknown_user_is_named(root: Path) -> None:
    with pytest.raises(KeyError, match="nobody-here"):
        Tree(root).make_folder("/x", "nobody-here")


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_is_neither_read_nor_waited_for(root: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("of the host")
    place = root / "log"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "link":
        place.symlink_to(tmp_path / "secret")
    else:
        place.mkdir()
    with pytest.raises(OSError):  # noqa: PT011  # which one depends on the kind
        Tree(root).open_below("/", "log")
    with pytest.raises(OSError):  # noqa: PT011
        Tree(root).read("/log")
    assert [file.path for file in Tree(root).files("/")] == ["etc/passwd"]


def test_a_new_file_takes_the_place_of_a_link_or_a_pipe(root: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    (root / "link").symlink_to(tmp_path / "target")
    os.mkfifo(root / "pipe")
    for name in ("link", "pipe"):
        with Tree(root).create(f"/{name}") as file:
            files.write_all(file, b"new")
        assert (root / name).read_bytes() == b"new"
    assert (tmp_path / "target").read_text() == "kept"


def test_nothing_outside_is_reached_while_folders_and_links_are_swapped(root: Path, tmp_path: Path) -> None:
    """The race that a check of a path followed by its use would lose within a few tries."""
    outside = tmp_path / "outside"
    (outside / "logs").mkdir(parents=True)
    (outside / "logs/secret").write_text("of the host")
    (root / "a/logs").mkdir(parents=True)
    (root / "b").symlink_to(outside)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            namespaces.call("renameat2", -1, bytes(root / "a"), -1, bytes(root / "b"), RENAME_EXCHANGE)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(2000):
            tree = Tree(root)
            with contextlib.suppress(OSError):
                tree.write("/a/logs/new", b"x")
            with contextlib.suppress(OSError):
                tree.make_folder("/a/logs/folder", mode=0o777)
            with contextlib.suppress(OSError):
                assert b"host" not in tree.open_below("/a/logs", "secret").read()
            assert "secret" not in [file.path for file in tree.files("/a/logs")]
            tree.remove("/a/logs/new")
    finally:
        over.set()
        swapper.join()
    assert snapshot(outside) == {"logs": None, "logs/secret": b"of the host"}


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(place.relative_to(folder)): place.read_bytes() if place.is_file() else None
        for place in folder.rglob("*")
    }


OPERATIONS: dict[str, Callable[[Tree, str], object]] = {
    "read": lambda tree, path: tree.read(path),
    "open": lambda tree, path: tree.open_below("/", path).read(),
    "open below": lambda tree, path: tree.open_below(path, "secret").read(),
    "files": lambda tree, path: tree.files(path),
    "status": lambda tree, path: tree.status(path),
    "write": lambda tree, path: tree.write(path, b"harm"),
    "folder": lambda tree, path: tree.make_folder(path),
    "link": lambda tree, path: tree.link(path, "/x"),
    "remove": lambda tree, path: tree.remove(path),
    "clear": lambda tree, path: tree.clear(path),
}


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder in memory: each example makes its tree anew."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:  # made under a new name
        folder = Path(made)
        (folder / "outside").mkdir()
        (folder / "outside/secret").write_bytes(b"of the host")
        yield folder


PATHS = st.one_of(
    texts("/etc/passwd", "/link/secret", "link", "/link", "../outside/secret", "/mnt/var/log/x"),
    st.lists(st.sampled_from(["..", ".", "link", "etc", "", "x", "secret"]), max_size=8).map("/".join),
)


@many
@given(operation=st.sampled_from(sorted(OPERATIONS)), path=PATHS, target=PATHS)
def test_no_path_and_no_link_leads_out_of_the_tree(
    scratch: Path, operation: str, path: str, target: str
) -> None:
    root, outside = scratch / "root", scratch / "outside"
    shutil.rmtree(root, ignore_errors=True)
    make_root(root)
    for link, leads_to in {"link": str(outside), "up": "../outside", "any": target}.items():
        with contextlib.suppress(OSError, ValueError):  # no link can say that
            (root / link).symlink_to(leads_to)
    answer: object = None
    with contextlib.suppress(OSError, KeyError):
        answer = OPERATIONS[operation](Tree(root), path)
    assert b"of the host" not in (answer if isinstance(answer, bytes) else b"")
    assert snapshot(outside) == {"secret": b"of the host"}
    assert sorted(place.name for place in scratch.iterdir()) == ["outside", "root"]


def test_lines_are_added_to_a_file_and_never_through_a_link_or_to_a_pipe(root: Path, tmp_path: Path) -> None:
    tree, outside = Tree(root), tmp_path / "outside"
    for line in (b"1", b"2"):
        tree.append("/log/x", line)
    assert (root / "log/x").read_bytes() == b"12"
    assert (root / "log/x").stat().st_mode & 0o777 == 0o644
    outside.write_text("mine")
    (root / "log/link").symlink_to(outside)
    os.mkfifo(root / "log/pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            tree.append(f"/log/{name}", b"3")
    assert outside.read_text() == "mine"
