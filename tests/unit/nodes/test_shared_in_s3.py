"""What nodes fetch from S3 with their own role, and the bootstrap action that does it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeAws, VirtualClock
from hostile import many, texts
from hypothesis import given

from kiln.errors import UsageError, caught
from kiln.nodes import definition, shared_in_s3
from kiln.nodes.shared_in_s3 import Place

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Place("s3://state/kiln", "stage")
COMMIT, SHA = "a" * 40, "b" * 64


def items(archive: str = "/cache/model_repo.tar") -> tuple[definition.Item, ...]:
    return definition.convert(
        [
            {"kind": "packages", "names": ["jq"], "lock_timeout_seconds": 300},
            {
                "kind": "environment",
                "hash": "0" * 16,
                "path": f"/opt/kiln/envs/{'0' * 16}",
                "state_uri": "s3://state/kiln",
                "python_version": "3.11",
                "architecture": "x86_64",
                "requirements": "requirements/a.txt",
            },
            {
                "kind": "release",
                "name": "repo",
                "commit": COMMIT,
                "archive": archive,
                "sha256": SHA,
                "kept": 3,
            },
            {
                "kind": "secrets",
                "path": "/home/hadoop/.kiln/p.json",
                "owner": "hadoop",
                "vault_file": "vault/stage.yml",
                "shown_as": "vault/stage.yml",
            },
        ]
    )


def test_the_program_lies_there_under_its_own_digest_before_an_action_refers_to_it() -> None:
    aws = FakeAws(VirtualClock())
    shared_in_s3.publish_program(aws, PLACE)
    action = shared_in_s3.join_action(PLACE, "model_building", "nightly-7")
    program, digest, folder = action.args
    assert set(aws.objects) == {action.path, program}
    assert hashlib.sha256(aws.objects[program]).hexdigest() == digest
    assert hashlib.sha256(aws.objects[action.path]).hexdigest() in action.path
    assert folder == "s3://state/kiln/nodes/stage/runs/model_building/nightly-7/"
    before = len(aws.calls)
    shared_in_s3.publish_program(aws, PLACE)
    assert "PutObject" not in aws.calls[before:]


def test_the_program_of_the_action_has_all_that_it_needs() -> None:
    aws = FakeAws(VirtualClock())
    shared_in_s3.publish_program(aws, PLACE)
    action = shared_in_s3.join_action(PLACE, "p", "r")
    names = [name for name, _ in json.loads(aws.objects[action.args[0]])]
    assert names[-1] == "kiln.nodes.on_node.joined"
    assert f'["{names[-1]}"].join(' in aws.objects[action.path].decode()


def test_a_release_is_uploaded_once(tmp_path: Path) -> None:
    archive = tmp_path / "model_repo.tar"
    archive.write_bytes(b"a tar archive")
    aws = FakeAws(VirtualClock())
    release = items(str(archive))[2]
    assert isinstance(release, definition.Release)
    address = shared_in_s3.publish_release(aws, PLACE, release)
    assert aws.objects == {address: b"a tar archive"}
    shared_in_s3.publish_release(aws, PLACE, release)
    assert aws.calls.count("PutObject") == 1


def test_items_of_later_nodes_name_archives_in_s3_and_hold_no_secret() -> None:
    documents = [shared_in_s3.document_of(item, PLACE, ("s3://a/b", SHA)) for item in items()]
    packages, environment, release, secrets = documents
    assert packages["names"] == ("jq",)
    assert (environment["archive"], environment["sha256"]) == ("s3://a/b", SHA)
    assert release["archive"] == f"s3://state/kiln/nodes/stage/releases/{SHA}.tar"
    assert release["sha256"] == SHA
    assert set(secrets) == {"path", "wait_seconds"}


def test_an_environment_without_archive_names_none() -> None:
    assert "archive" not in shared_in_s3.document_of(items()[1], PLACE, None)


def test_items_are_replaced_and_written_only_when_they_differ() -> None:
    aws = FakeAws(VirtualClock())
    folder = PLACE.items("p", "r")
    shared_in_s3.publish_items(aws, folder, {"release": {"commit": "a"}})
    shared_in_s3.publish_items(aws, folder, {"release": {"commit": "b"}})
    shared_in_s3.publish_items(aws, folder, {"release": {"commit": "b"}})
    assert aws.calls.count("PutObject") == 2
    assert json.loads(aws.objects[f"{folder}/release.json"]) == {"commit": "b"}


@many
@given(pipeline=texts("model_building"), run_id=texts("nightly-7"))
def test_no_name_leaves_the_folder_of_the_environment(pipeline: str, run_id: str) -> None:
    found: list[str] = []
    error = caught(lambda: found.append(PLACE.items(pipeline, run_id)))
    if error is not None:
        assert isinstance(error, UsageError)
        return
    assert found[0].count("/") == "s3://state/kiln/nodes/stage/runs/p/r".count("/")
    assert ".." not in found[0].split("/")


def test_a_definition_is_refused_before_anything_is_uploaded() -> None:
    with pytest.raises(UsageError, match="model_repo_sha256"):
        items_with(sha256="not one")


def items_with(**changes: Any) -> tuple[definition.Item, ...]:
    release = {"kind": "release", "name": "repo", "commit": COMMIT, "archive": "a", "sha256": SHA, "kept": 3}
    return definition.convert([release | changes])


def test_fingerprints_are_equal_for_equal_items_and_say_nothing_about_secrets() -> None:
    packages, environment, release, secrets = items()
    assert definition.fingerprint(release) == COMMIT
    assert definition.fingerprint(environment) == "0" * 16
    turned = definition.convert([{"kind": "packages", "names": ["jq"], "lock_timeout_seconds": 1}])[0]
    assert definition.fingerprint(turned) == definition.fingerprint(packages)
    assert len({definition.fingerprint(item) for item in items()}) == len(items())
    assert definition.fingerprint(secrets) == definition.fingerprint(items()[3])
