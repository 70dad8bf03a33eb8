"""A release on a node: whole or not at all, switched to by one rename, old ones removed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from node_world import archive, names

if TYPE_CHECKING:
    from node_world import NodeWorld


def release(node: NodeWorld, number: int, **changes: Any) -> dict[str, Any]:
    commit = f"{number:040x}"
    node.blobs["release"] = archive(commit)
    digest = hashlib.sha256(archive(commit)).hexdigest()
    item = {
        "kind": "release",
        "root": str(node.root / "models"),
        "commit": commit,
        "sha256": digest,
        "kept": 3,
    }
    return item | changes


def releases(node: NodeWorld) -> list[int]:
    return sorted(int(path.name, 16) for path in (node.root / "models/releases").iterdir())


def test_a_release_is_put_there_once_and_current_points_to_it(node: NodeWorld) -> None:
    first = node.one(release(node, 1))
    assert (first.state, first.message) == ("changed", "")
    assert f"+ current -> releases/{1:040x}" in first.diff
    models = node.root / "models"
    assert (models / "current/jobs/sd.py").read_text() == "print()\n"
    assert set(names(models)) == {
        *("current", "releases", f"releases/{1:040x}", f"releases/{1:040x}/.kiln-release"),
        *(f"releases/{1:040x}/jobs", f"releases/{1:040x}/jobs/sd.py"),
    }
    assert node.one(release(node, 1)).state == "ok"


def test_check_mode_says_what_would_change_and_changes_nothing(node: NodeWorld) -> None:
    assert node.one(release(node, 1), check=True).state == "changed"
    assert names(node.root) == []


def test_a_release_that_lies_there_is_switched_to_without_its_archive(node: NodeWorld) -> None:
    for number in (1, 2):
        node.one(release(node, number))
    item = release(node, 1)
    node.blobs.clear()
    back = node.one(item)
    assert (back.state, back.diff) == (
        "changed",
        f"- current -> releases/{2:040x}\n+ current -> releases/{1:040x}\n",
    )


def test_an_archive_with_another_digest_is_not_unpacked(node: NodeWorld) -> None:
    node.one(release(node, 1))
    refused = node.one(release(node, 2, sha256="0" * 64))
    assert refused.state == "failed"
    assert "SHA-256 is not that of the archive on the control host" in refused.message
    assert releases(node) == [1]
    assert not list((node.root / "models").glob(".incoming-*"))


def test_a_release_that_was_not_finished_is_replaced(node: NodeWorld) -> None:
    half = node.root / "models/releases" / f"{1:040x}"
    half.mkdir(parents=True)
    (half / "other").write_text("")
    assert node.one(release(node, 1)).state == "changed"
    assert not (half / "other").exists()
    assert (half / "jobs/sd.py").exists()


def test_what_killed_transfers_have_left_is_removed(node: NodeWorld) -> None:
    models = node.root / "models"
    (models / "releases/.incoming-x/old").mkdir(parents=True)
    (models / ".incoming-2.tar").write_text("half")
    (models / "releases/.incoming-link").symlink_to(models)
    node.one(release(node, 1))
    assert sorted(path.name for path in models.iterdir()) == ["current", "releases"]
    assert releases(node) == [1]


@pytest.mark.parametrize(("kept", "left"), [(1, [3, 4]), (2, [3, 4]), (3, [2, 3, 4]), (9, [1, 2, 3, 4])])
def test_old_releases_are_removed_and_the_previous_one_never(
    node: NodeWorld, kept: int, left: list[int]
) -> None:
    for number in (1, 2, 3, 4):
        node.one(release(node, number, kept=9 if number < 4 else kept))
    assert releases(node) == left


def test_without_a_link_as_many_releases_are_kept_as_with_one(node: NodeWorld) -> None:
    for number in (1, 2, 3):
        node.one(release(node, number, kept=9))
    (node.root / "models/current").unlink()
    node.one(release(node, 4, kept=3))
    assert releases(node) == [2, 3, 4]
