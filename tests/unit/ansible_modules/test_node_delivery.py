"""How the items of a run get to nodes: few nodes are sent the release, many fetch it from S3."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fakes import FakeAws, VirtualClock

from kiln.ansible_modules.node_delivery import Delivery
from kiln.ansible_modules.node_run import Run
from kiln.nodes import definition

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVE = b"a release"
SHA = hashlib.sha256(ARCHIVE).hexdigest()
IN_S3 = f"s3://state/kiln/nodes/stage/releases/{SHA}.tar"
ITEMS = "s3://state/kiln/nodes/stage/runs/model_building/nightly-7"


def delivery(aws: FakeAws, folder: Path, *, by_s3: bool, is_whole: bool = True) -> Delivery:
    (folder / "release.tar").write_bytes(ARCHIVE)
    release = {"name": "repo", "commit": "a" * 40, "archive": str(folder / "release.tar"), "sha256": SHA}
    items = definition.convert(
        [
            {"kind": "packages", "names": ["jq"], "lock_timeout_seconds": 300},
            {
                "kind": "files",
                "files": [{"path": "/etc/team.conf", "content": "a\n"}],
                "checkout": str(folder),
            },
            {"kind": "release", "kept": 3, **release},
        ]
    )
    run = Run(
        pipeline="model_building",
        run_id="nightly-7",
        cluster_id="j-1",
        state_uri="s3://state/kiln",
        is_whole=is_whole,
        instances={},
    )
    return Delivery(items=items, environment="stage", run=run, by_s3=by_s3, effects=lambda: aws)


def documents(asked: Delivery) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in asked.documents()}


def test_few_nodes_are_sent_the_release(tmp_path: Path) -> None:
    assert "archive" not in documents(delivery(FakeAws(VirtualClock()), tmp_path, by_s3=False))["release"]


def test_many_nodes_are_told_where_it_lies_and_it_lies_there_before_they_are(tmp_path: Path) -> None:
    aws = FakeAws(VirtualClock())
    asked = delivery(aws, tmp_path, by_s3=True, is_whole=False)
    asked.begin()
    sent = documents(asked)
    assert (sent["release"]["archive"], sent["release"]["sha256"]) == (IN_S3, SHA)
    stored = aws.get_object(IN_S3)
    assert stored is not None
    assert stored.body == ARCHIVE
    # Small files are sent, and so is everything else.
    assert sent["files"] == definition.document_of(asked.items[1])
    assert sent["packages"] == definition.document_of(asked.items[0])


def test_nodes_that_join_later_find_all_of_it_in_s3_however_many_there_were(tmp_path: Path) -> None:
    for by_s3 in (False, True):
        aws = FakeAws(VirtualClock())
        asked = delivery(aws, tmp_path, by_s3=by_s3)
        asked.begin()
        asked.finish()
        found = {}
        for label in ("packages", "files", "release"):
            stored = aws.get_object(f"{ITEMS}/{label}.json")
            assert stored is not None
            found[label] = json.loads(stored.body)
        assert found["release"]["archive"] == IN_S3
        assert list(found["files"]["contents"]) == [hashlib.sha256(b"a\n").hexdigest()]
        assert aws.get_object(IN_S3) is not None


def test_for_some_nodes_of_a_cluster_nothing_is_said_to_later_ones(tmp_path: Path) -> None:
    aws = FakeAws(VirtualClock())
    asked = delivery(aws, tmp_path, by_s3=False, is_whole=False)
    asked.begin()
    asked.finish()
    assert aws.get_object(IN_S3) is None
    assert aws.list_objects(ITEMS) == []
