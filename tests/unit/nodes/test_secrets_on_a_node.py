"""A file of secrets on a node: for one user only, through no link of that user, in no result."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from node_world import USER

if TYPE_CHECKING:
    from pathlib import Path

    from node_world import NodeWorld

CANARY = b"canary-4f1c"


@pytest.fixture
def file(node: NodeWorld) -> Path:
    node.blobs["secrets"] = CANARY
    return node.root / "home/secrets/pipeline.json"


def item(path: Path, **changes: Any) -> dict[str, Any]:
    settings = {"kind": "secret_file", "path": str(path), "owner": USER, "blob": "secrets", "mode": 0o600}
    return settings | changes


def test_the_file_and_its_folders_are_their_owner_s_alone(node: NodeWorld, file: Path) -> None:
    written = node.one(item(file))
    assert (written.state, written.diff) == ("changed", f"+ {file}\n" if not file.exists() else f"~ {file}\n")
    assert file.read_bytes() == CANARY
    modes = [path.stat().st_mode & 0o777 for path in (file, file.parent, file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]
    assert node.one(item(file)).state == "ok"
    assert os.listdir(file.parent) == [file.name]  # noqa: PTH208  # also what begins with a dot


def test_a_mode_that_others_can_read_is_corrected(node: NodeWorld, file: Path) -> None:
    node.one(item(file))
    for path in (file, file.parent):
        path.chmod(0o755)
        assert node.one(item(file)).state == "changed"
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_check_mode_writes_nothing_and_no_answer_shows_a_secret(node: NodeWorld, file: Path) -> None:
    checked = node.one(item(file), check=True)
    assert checked.state == "changed"
    assert not file.parent.exists()
    written = node.one(item(file))
    assert CANARY.decode() not in repr([checked, written])


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_written_through(
    node: NodeWorld, file: Path
) -> None:
    file.parent.mkdir(parents=True)
    (node.root / "other").write_text("other")
    file.symlink_to(node.root / "other")
    assert node.one(item(file)).state == "changed"
    assert (node.root / "other").read_text() == "other"
    assert not file.is_symlink()


def test_an_unknown_user_is_named(node: NodeWorld, file: Path) -> None:
    refused = node.one(item(file, owner="nobody-at-all"))
    assert refused.message == "there is no user nobody-at-all on the node"
    assert not file.exists()
