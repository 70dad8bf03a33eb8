"""Tags found by a resource's id are those that moto finds by going through all."""

from __future__ import annotations

from typing import Any

import pytest
from moto.ec2.models.core import TaggedEC2Resource

from emrbox.aws import resource_tags


@pytest.fixture
def instances(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return three instances: with a tag, with another one, with a tag that was deleted."""
    monkeypatch.setattr(TaggedEC2Resource, "get_tags", TaggedEC2Resource.get_tags)
    ec2 = endpoint.client("ec2")
    made = ec2.run_instances(ImageId="ami-12345678", MinCount=3, MaxCount=3)["Instances"]
    ids = [str(one["InstanceId"]) for one in made]
    for number, one in enumerate(ids):
        ec2.create_tags(Resources=[one], Tags=[{"Key": "team", "Value": f"team-{number}"}])
    ec2.delete_tags(Resources=ids[2:], Tags=[{"Key": "team"}])
    return ids


def found(endpoint: Any, name: str, *values: str) -> list[str]:
    pages = endpoint.client("ec2").describe_instances(Filters=[{"Name": name, "Values": list(values)}])
    return [str(one["InstanceId"]) for held in pages["Reservations"] for one in held["Instances"]]


def test_what_is_found_by_id_is_what_moto_finds(endpoint: Any, instances: list[str]) -> None:
    def shown() -> Any:
        return endpoint.client("ec2").describe_instances(InstanceIds=instances)["Reservations"]

    before = shown()
    resource_tags.find_by_id()
    assert shown() == before


def test_filters_by_tag_find_those_that_have_it(endpoint: Any, instances: list[str]) -> None:
    resource_tags.find_by_id()
    assert found(endpoint, "tag:team", "team-0", "team-2") == instances[:1]
    assert found(endpoint, "tag:team", "team-*") == instances[:2]
    assert found(endpoint, "tag-key", "team") == instances[:2]
