"""Instances whose nodes never run: what happens to them in which order, a test decides."""

from __future__ import annotations

import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from emrbox.aws.instances import RealInstances
from emrbox.aws.metadata import MotoFacts
from emrbox.config import ACCOUNT_ID, BASE_IMAGE_NAME, BoxConfig, Images, image_id
from emrbox.nodes import tree
from emrbox.nodes.node import Node
from emrbox.nodes.registry import NodeRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class NoMetadata:
    def add(self, *_: object) -> None: ...

    def remove(self, *_: object) -> None: ...


class Instances:
    """Instances of an empty account. What they do in the background waits in `waiting` for the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        images = Images(folder, {}, folder)
        config = BoxConfig(folder, 4566, IPv4Network("10.213.8.0/22"), "key", "secret", images)
        self.real = RealInstances(config, NodeRegistry(config, NoMetadata()), ACCOUNT_ID, threading.Lock())
        self.waiting: list[Callable[[], None]] = []
        self.booted: list[str] = []
        monkeypatch.setattr(
            self.real, "_in_background", lambda work, *rest: self.waiting.append(lambda: work(*rest))
        )
        monkeypatch.setattr(tree, "make", lambda *_: None)
        monkeypatch.setattr(Node, "_boot", lambda node: self.booted.append(node.spec.instance_id))
        monkeypatch.setattr(Node, "_wait_for_sshd", lambda _: None)

    def launch(self, **more: Any) -> Any:
        request = {
            "image_id": image_id(BASE_IMAGE_NAME),
            "count": 1,
            "user_data": None,
            "security_group_names": [],
            "instance_type": "m5.xlarge",
            "is_instance_type_default": False,
            **more,
        }
        return self.real.run_instances(self.real.backend.run_instances, **request).instances[0]

    def terminate(self, instance: Any) -> None:
        self.real.terminate_instances(self.real.backend.terminate_instances, [instance.id])


@pytest.fixture
def instances(tmp_path: Path, empty_moto: None, monkeypatch: pytest.MonkeyPatch) -> Instances:  # noqa: ARG001  its effect is wanted
    return Instances(tmp_path, monkeypatch)


def test_an_instance_runs_when_its_node_has_booted(instances: Instances) -> None:
    instance = instances.launch()
    assert instance.state == "pending"
    [boot] = instances.waiting
    boot()
    assert (instance.state, instances.booted) == ("running", [instance.id])


def test_an_instance_that_is_ended_before_it_boots_never_does(instances: Instances) -> None:
    instance = instances.launch()
    instances.terminate(instance)
    boot, remove = instances.waiting
    remove()
    assert instance.state == "terminated"
    boot()
    assert (instance.state, instances.booted) == ("terminated", [])


def test_an_instance_that_is_ended_while_it_boots_does_not_run_again(
    instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = instances.launch()
    monkeypatch.setattr(Node, "_wait_for_sshd", lambda _: instances.terminate(instance))
    boot, *_ = instances.waiting
    boot()
    assert instance.state == "shutting-down"
    instances.waiting[-1]()
    assert instance.state == "terminated"


def test_a_shutdown_from_inside_does_not_undo_an_end(instances: Instances) -> None:
    instance = instances.launch()
    node = instances.real._registry.get(instance.id)
    instances.waiting[0]()
    instances.terminate(instance)
    instances.waiting[-1]()
    assert node.on_exit is not None
    node.on_exit()
    assert instance.state == "terminated"


def test_an_instance_has_the_security_groups_of_its_first_interface(instances: Instances) -> None:
    backend = instances.real.backend
    group = backend.create_security_group("g", "g", vpc_id=backend.get_default_vpc().id)
    subnet = next(iter(backend.get_default_subnets().values()))
    nic = {"DeviceIndex": "0", "Groups": [group.id], "SubnetId": subnet.id}
    request = {
        "image_id": image_id(BASE_IMAGE_NAME),
        "count": 1,
        "user_data": None,
        "security_group_names": [],
        "instance_type": "m5.xlarge",
        "is_instance_type_default": False,
        "nics": [nic],
    }
    (launched,) = instances.real.run_instances(backend.run_instances, **request).instances
    assert [one.id for one in launched.security_groups] == [group.id]


def test_metadata_is_for_tokens_alone_unless_the_launch_says_otherwise(instances: Instances) -> None:
    usual = instances.launch()
    changed = instances.launch(metadata_options={"HttpTokens": "optional", "HttpPutResponseHopLimit": 3})
    facts = [MotoFacts().facts(instance.id) for instance in (usual, changed)]
    assert [(one.requires_token, one.hop_limit) for one in facts] == [(True, 2), (False, 3)]


def test_a_change_of_one_metadata_option_keeps_the_others(instances: Instances) -> None:
    instance = instances.launch()
    original = instances.real.backend.modify_instance_metadata_options
    for change in ({"hop_limit": 5}, {"metadata_tags": "enabled"}):
        instances.real.modify_instance_metadata_options(original, instance.id, **change)
    facts = MotoFacts().facts(instance.id)
    assert (facts.requires_token, facts.hop_limit, facts.tags) == (True, 5, {})
