"""The instances of a Molecule scenario: launched with tags and an end, ended by the scenario's tag."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = Path(__file__).resolve().parents[2] / "molecule/playbooks/library/scenario_instances.py"
IMAGES = [
    {"ImageId": "ami-new", "CreationDate": "2026-02-01T00:00:00Z"},
    {"ImageId": "ami-old", "CreationDate": "2026-01-01T00:00:00Z"},
]


class Ended(Exception):  # noqa: N818  how a module ends, no error
    """The module has ended with this result."""

    def __init__(self, **result: Any) -> None:
        super().__init__(result)
        self.result = result


class FakeEc2:
    """EC2 with instances that run at once, or stay pending."""

    def __init__(self, state: str = "running") -> None:
        self.state = state
        self.launched: list[dict[str, Any]] = []
        self.terminated: list[str] = []
        self.filters: list[dict[str, Any]] = []

    def describe_images(self, **_: Any) -> dict[str, Any]:
        return {"Images": IMAGES}

    def run_instances(self, **given: Any) -> dict[str, Any]:
        self.launched.append(given)
        return {"Instances": [{"InstanceId": f"i-{len(self.launched)}"}]}

    def get_paginator(self, _: str) -> FakeEc2:
        return self

    def paginate(self, *, Filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:  # noqa: N803  boto3's name
        self.filters = Filters
        states = Filters[1]["Values"]
        for number in range(1, len(self.launched) + 1):
            one = {"InstanceId": f"i-{number}", "PrivateIpAddress": f"10.0.0.{number}"}
            yield {"Reservations": [{"Instances": [one] if self.state in states else []}]}

    def terminate_instances(self, *, InstanceIds: list[str]) -> None:  # noqa: N803  boto3's name
        self.terminated = InstanceIds


def run(monkeypatch: pytest.MonkeyPatch, ec2: FakeEc2, **arguments: Any) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("scenario_instances", MODULE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Module:
        params: dict[str, Any]

        def __init__(self, argument_spec: dict[str, dict[str, Any]]) -> None:
            self.params = {name: one.get("default") for name, one in argument_spec.items()} | arguments

        def exit_json(self, **result: Any) -> None:
            raise Ended(**result)

        def fail_json(self, **result: Any) -> None:
            raise Ended(failed=True, **result)

    monkeypatch.setattr(module, "AnsibleModule", Module)
    monkeypatch.setattr(module.boto3, "client", lambda _: ec2)
    with pytest.raises(Ended) as ended:
        module.main()
    return ended.value.result


def test_each_name_gets_an_instance_of_the_newest_image_with_tags_and_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ec2 = FakeEc2()
    names = ["first", "second"]
    result = run(monkeypatch, ec2, state="present", scenario="one", environment="local", names=names)
    assert result == {"changed": True, "addresses": {"first": "10.0.0.1", "second": "10.0.0.2"}}
    assert [one["ImageId"] for one in ec2.launched] == ["ami-new", "ami-new"]
    tags = {tag["Key"]: tag["Value"] for tag in ec2.launched[0]["TagSpecifications"][0]["Tags"]}
    assert datetime.fromisoformat(tags.pop("expires_at")) > datetime.now(UTC)
    assert tags == {
        "Name": "molecule-one-first",
        "managed_by": "kiln",
        "environment": "local",
        "molecule": "one",
    }


def test_instances_that_do_not_run_in_time_fail_with_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"state": "present", "scenario": "one", "environment": "local", "names": ["node"]}
    result = run(monkeypatch, FakeEc2("pending"), **given, timeout_seconds=-1)
    assert result == {"failed": True, "msg": "one: not all of {'node': 'i-1'} run after -1 s"}


def test_only_live_instances_of_the_scenario_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = FakeEc2()
    assert run(monkeypatch, ec2, state="absent", scenario="one") == {"changed": False}
    ec2.launched.append({})
    assert run(monkeypatch, ec2, state="absent", scenario="one") == {"changed": True}
    assert ec2.terminated == ["i-1"]
    assert ec2.filters[0] == {"Name": "tag:molecule", "Values": ["one"]}
    assert set(ec2.filters[1]["Values"]) == {"pending", "running", "stopping", "stopped"}
