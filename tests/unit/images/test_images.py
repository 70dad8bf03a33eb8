"""Which image a launch takes, how one is published by two bakes at once, and which are removed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import START, FakeCluster, shape
from hostile import documents, many
from hypothesis import given

from kiln.aws import convert
from kiln.aws.effects import Ec2Instance, Image
from kiln.emr.request import launch_request
from kiln.emr.waiting import Waiting
from kiln.errors import PlaybookError, UnansweredError, UsageError
from kiln.identity import Identity
from kiln.images import catalogue, definition, leftovers, publishing
from kiln.images.catalogue import CANDIDATE, READY, Wanted

if TYPE_CHECKING:
    from fakes import FakeAws

    from kiln.aws.context import Context

CHECKOUT = Path(__file__).resolve().parents[3]
PRINT = "0123456789abcdef"
WANTED = Wanted(environment="local", pipeline="p", fingerprint=PRINT, base_name="al2023-*")
OURS = {"managed_by": "kiln", "environment": "local", "pipeline": "p", "base_image": "ami-000000b1"}
LATER = (START + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def image(number: int, kiln_image: str = READY, **changes: Any) -> Image:
    """Return an image that is `number` days younger than the oldest."""
    tags = {**OURS, "kiln_image": kiln_image, "fingerprint": PRINT, **changes.pop("tags", {})}
    values: dict[str, Any] = {
        "id": f"ami-0000000{number}",
        "name": f"kiln-{number}",
        "state": "available",
        "created_at": START - timedelta(days=10 - number),
        "tags": tags,
        "snapshot_ids": (f"snap-0000000{number}",),
        "is_encrypted": True,
    }
    return Image(**values | changes)


def base(number: int) -> Image:
    return image(number, id=f"ami-000000b{number}", name=f"al2023-{number}", tags={"managed_by": ""})


@pytest.fixture(autouse=True)
def account(aws: FakeAws) -> None:
    aws.images = {"amazon": [base(1)], "self": []}


def own(aws: FakeAws, *images: Image) -> None:
    aws.images["self"] = list(images)
    aws.snapshots = {one for listed in images for one in listed.snapshot_ids}


def left(aws: FakeAws) -> list[str]:
    return [one.id for one in aws.images["self"]]


@pytest.mark.parametrize(
    "unusable",
    [
        image(9, CANDIDATE),
        image(9, state="pending"),
        image(9, is_public=True),
        image(9, tags={"fingerprint": "f" * 16}),
        image(9, tags={"environment": "prod"}),
        image(9, tags={"pipeline": "q"}),
        image(9, tags={"managed_by": "terraform"}),
    ],
    ids=["untested", "pending", "public", "other contents", "other environment", "other pipeline", "foreign"],
)
def test_a_launch_takes_no_image_that_is_not_published_for_it(
    context: Context, aws: FakeAws, unusable: Image
) -> None:
    own(aws, unusable, image(1))
    assert catalogue.find(context, WANTED, stale_days=30).image_id == "ami-00000001"
    own(aws, unusable)
    found = catalogue.find(context, WANTED, stale_days=30)
    assert (found.image_id, found.base_image_id, found.is_current) == ("", "ami-000000b1", False)
    assert PRINT in found.notes[0]


def test_the_image_on_the_newest_base_counts_more_than_the_newest_image(
    context: Context, aws: FakeAws
) -> None:
    aws.images["amazon"] = [base(1), base(2)]
    own(aws, image(5), image(4, tags={"base_image": "ami-000000b2"}))
    found = catalogue.find(context, WANTED, stale_days=30)
    assert (found.image_id, found.is_current, found.notes) == ("ami-00000004", True, ())


def test_an_old_image_and_one_whose_base_is_gone_are_used_with_a_note(context: Context, aws: FakeAws) -> None:
    own(aws, image(5, tags={"base_image": "ami-000000b9"}))
    found = catalogue.find(context, WANTED, stale_days=3)
    assert (found.image_id, found.is_current) == ("ami-00000005", False)
    assert [note.partition(": ")[0] for note in found.notes] == [
        "image ami-00000005 is older than 3 days (node_image_stale_days)",
        "image ami-00000005 was made from ami-000000b9, which is gone",
    ]


def test_an_image_is_used_from_the_moment_it_is_published(context: Context, aws: FakeAws) -> None:
    own(aws, image(1, CANDIDATE))
    assert not catalogue.find(context, WANTED, stale_days=30).image_id
    assert publishing.publish(context, WANTED, "ami-00000001") == ("ami-00000001", True)
    assert catalogue.find(context, WANTED, stale_days=30).is_current


@pytest.mark.parametrize("first", [1, 2])
def test_of_two_bakes_at_once_one_image_stays_whoever_publishes_first(
    context: Context, aws: FakeAws, first: int
) -> None:
    own(aws, image(1, CANDIDATE), image(2, CANDIDATE))
    used = [publishing.publish(context, WANTED, f"ami-0000000{one}") for one in (first, 3 - first)]
    # The later of the two sees both; the earlier has published what was the only one then.
    assert used[-1][0] == "ami-00000001"
    usable = catalogue.ready(aws.images["self"], PRINT)
    assert {one.id for one in usable} <= {"ami-00000001", used[0][0]}
    assert publishing.superfluous(context, WANTED, kept=1) == [one for one in usable if one.id != used[0][0]]


def test_a_second_image_of_the_same_contents_is_removed_with_its_snapshot(
    context: Context, aws: FakeAws
) -> None:
    own(aws, image(1), image(2, CANDIDATE))
    assert publishing.publish(context, WANTED, "ami-00000002") == ("ami-00000001", False)
    assert (left(aws), aws.snapshots) == (["ami-00000001"], {"snap-00000001"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_encrypted": False}, "is not encrypted"),
        ({"is_public": True}, "is shared with everybody"),
        ({"state": "failed"}, "is failed"),
        ({"tags": {"fingerprint": "f" * 16}}, "has another fingerprint"),
        ({"tags": {"pipeline": "q"}}, "is no image of pipeline p"),
    ],
)
def test_an_image_that_must_not_be_used_is_not_published(
    context: Context, aws: FakeAws, changes: dict[str, Any], words: str
) -> None:
    own(aws, image(1, CANDIDATE, **changes))
    with pytest.raises(PlaybookError, match=words):
        publishing.publish(context, WANTED, "ami-00000001")
    assert "CreateTags" not in aws.calls


def test_what_failed_its_test_is_discarded_and_nothing_of_others(context: Context, aws: FakeAws) -> None:
    foreign = image(2, tags={"managed_by": "terraform"})
    own(aws, image(1, CANDIDATE), foreign)
    assert publishing.discard(context, WANTED, "ami-00000001")
    assert not publishing.discard(context, WANTED, foreign.id)
    assert left(aws) == [foreign.id]


def superfluous(context: Context, kept: int) -> list[str]:
    return [one.id for one in publishing.superfluous(context, WANTED, kept)]


def test_the_newest_stay_and_those_of_instances_and_of_clusters_that_start(
    context: Context, aws: FakeAws
) -> None:
    own(aws, *(image(number) for number in range(1, 7)), image(7, tags={"environment": "prod"}))
    node = Ec2Instance(
        id="i-00000001",
        state="running",
        launched_at=START,
        private_ip_address="10.0.0.1",
        tags=OURS,
        image_id="ami-00000002",
    )
    aws.instances = {
        node.id: node,
        "i-00000002": msgspec.structs.replace(
            node, id="i-00000002", state="terminated", image_id="ami-00000001"
        ),
    }
    assert superfluous(context, 2) == ["ami-00000004", "ami-00000003", "ami-00000001"]
    identity = Identity(environment="local", pipeline="other", run_id="r1", owner="ops")
    request = launch_request(identity, shape(custom_ami_id="ami-00000003"), START)
    tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    aws.clusters["j-0001"] = FakeCluster("j-0001", request, aws.clock.seconds, tags=tags)
    assert superfluous(context, 2) == ["ami-00000004", "ami-00000001"]
    assert superfluous(context, 9) == []


def test_a_candidate_goes_when_its_bake_has_expired(context: Context, aws: FakeAws) -> None:
    own(
        aws, image(1, CANDIDATE, tags={"expires_at": LATER}), image(2, CANDIDATE, tags={"expires_at": "soon"})
    )
    assert superfluous(context, 3) == ["ami-00000002"]


def test_only_instances_of_the_bake_are_ended(context: Context, aws: FakeAws) -> None:
    def instance(number: int, bake: str) -> Ec2Instance:
        return Ec2Instance(
            id=f"i-0000000{number}",
            state="running",
            launched_at=START,
            private_ip_address="10.0.0.1",
            tags={**OURS, "image_bake": bake},
        )

    aws.instances = {one.id: one for one in (instance(1, "b1"), instance(2, "b2"))}
    limits = Waiting(timeout_seconds=60, interval_seconds=1)
    assert leftovers.end(context, "local", "b1", limits) == ["i-00000001"]
    assert [one.state for one in aws.instances.values()] == ["terminated", "running"]
    assert leftovers.end(context, "local", "b1", limits) == []


def test_a_fingerprint_follows_contents_and_no_order_or_documentation(tmp_path: Path) -> None:
    folder = tmp_path / "roles/node"
    folder.mkdir(parents=True)
    task, page = folder / "main.yml", folder / "README.md"
    task.write_text("a")
    page.write_text("b")

    def of(**changes: Any) -> str:
        return definition.fingerprint(
            {"packages": ["jq", "tar"], "label": "x"} | changes, tmp_path, ["roles"]
        )

    first = of()
    assert first == of(packages=["tar", "jq"])
    page.write_text("another text")
    assert of() == first
    assert len({first, of(packages=["jq"]), of(label="y"), of(more=1)}) == 4
    task.write_text("changed")
    assert of() != first


def test_a_fingerprint_follows_the_files_that_an_image_gets(tmp_path: Path) -> None:
    source = tmp_path / "motd.md"
    source.write_text("a")
    one, two = {"path": "/etc/a", "content": "a"}, {"path": "/etc/motd", "source": "motd.md"}

    def of(*files: dict[str, str]) -> str:
        return definition.fingerprint({"files": list(files)}, tmp_path, ["motd.md"])

    first = of(one, two)
    assert len({first, of(one), of(one | {"content": "b"}, two), of(one | {"mode": "0600"}, two)}) == 4
    source.write_text("b")
    assert of(one, two) != first


@pytest.mark.parametrize("source", ["absent", "/etc/passwd", "../x"])
def test_a_source_outside_of_the_checkout_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in the checkout"):
        definition.fingerprint({}, tmp_path, [source])


@many
@given(documents())
def test_any_data_has_a_fingerprint_or_is_refused(value: Any) -> None:
    try:
        found = definition.fingerprint({"value": value}, CHECKOUT, [])
    except UsageError:
        return
    assert len(found) == 16


RAW: dict[str, Any] = {
    "ImageId": "ami-00000001",
    "Name": "kiln",
    "State": "available",
    "CreationDate": "2026-11-21T07:30:00.000Z",
    "Public": False,
    "Tags": [{"Key": "managed_by", "Value": "kiln"}],
    "BlockDeviceMappings": [
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-00000001", "Encrypted": True}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ],
}


def test_an_image_is_read_as_ec2_describes_it() -> None:
    seen = convert.image(RAW)
    assert (seen.id, seen.created_at, seen.snapshot_ids) == ("ami-00000001", START, ("snap-00000001",))
    assert (seen.is_encrypted, seen.is_public) == (True, False)
    second = {"DeviceName": "/dev/sdc", "Ebs": {"SnapshotId": "snap-00000002", "Encrypted": False}}
    mappings = [*RAW["BlockDeviceMappings"], second]
    assert not convert.image(RAW | {"BlockDeviceMappings": mappings}).is_encrypted
    assert not convert.image(RAW | {"BlockDeviceMappings": []}).is_encrypted


@pytest.mark.parametrize("field", sorted(RAW))
def test_what_is_no_image_is_no_answer(field: str) -> None:
    @many
    @given(documents())
    def check(value: Any) -> None:
        try:
            seen = convert.image(RAW | {field: value})
        except UnansweredError:
            return
        assert seen.id == "ami-00000001"
        assert all(one.startswith("snap-") for one in seen.snapshot_ids)

    check()
