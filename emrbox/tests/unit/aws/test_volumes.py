"""Volumes of new instances have what RunInstances asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.ec2.models.instances import Instance
from moto.ec2.responses.instances import InstanceResponse

from emrbox.aws import volumes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def launch(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run an instance with one more volume; return that."""
    monkeypatch.setattr(InstanceResponse, "run_instances", InstanceResponse.run_instances)
    monkeypatch.setattr(Instance, "add_block_device", Instance.add_block_device)
    volumes.complete()
    ec2 = endpoint.client("ec2")

    def run(**ebs: Any) -> dict[str, Any]:
        mapping = {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 20, **ebs}}
        [instance] = ec2.run_instances(
            ImageId="ami-12345678", MinCount=1, MaxCount=1, BlockDeviceMappings=[mapping], EbsOptimized=True
        )["Instances"]
        [device] = instance["BlockDeviceMappings"]
        assert instance["EbsOptimized"]
        return dict(ec2.describe_volumes(VolumeIds=[device["Ebs"]["VolumeId"]])["Volumes"][0])

    return run


@pytest.mark.parametrize(
    "ebs",
    [
        {"VolumeType": "io1", "Iops": 500},
        {"VolumeType": "gp3", "Iops": 4000, "Throughput": 250},
        {"VolumeType": "gp2"},
    ],
)
def test_a_volume_has_its_type_iops_and_throughput(
    launch: Callable[..., dict[str, Any]], ebs: dict[str, Any]
) -> None:
    assert ebs.items() <= launch(**ebs).items()


def test_what_its_type_cannot_have_is_refused(launch: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(ClientError, match="Throughput"):
        launch(VolumeType="gp2", Throughput=250)
