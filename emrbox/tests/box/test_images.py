"""AMIs and their snapshots: files that real instances boot with, names, encryption, sharing, removal."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from waiting import wait_until

pytestmark = pytest.mark.box

ROOT = "/dev/xvda"


def code_of(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as refusal:
        call(**request)
    return str(refusal.value.response["Error"]["Code"])


def image(box: Any, image_id: str) -> dict[str, Any]:
    """Return an image when it is available."""

    def described() -> dict[str, Any]:
        return dict(box.client("ec2").describe_images(ImageIds=[image_id])["Images"][0])

    wait_until(lambda: described()["State"] == "available")
    return described()


def snapshot_of(described: dict[str, Any]) -> str:
    (root,) = described["BlockDeviceMappings"]
    return str(root["Ebs"]["SnapshotId"])


@pytest.fixture(scope="module")
def instance(box: Any) -> str:
    """Return a stopped instance whose root volume is encrypted and holds /opt/note."""
    root = {"DeviceName": ROOT, "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}}
    [launched] = box.launch(BlockDeviceMappings=[root])
    box.ssh(launched, "sudo sh -c 'echo baked >/opt/note'")
    box.client("ec2").stop_instances(InstanceIds=[launched["InstanceId"]])
    wait_until(lambda: box.state(launched["InstanceId"]) == "stopped")
    return str(launched["InstanceId"])


def create(box: Any, instance: str, name: str) -> dict[str, Any]:
    tags = [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": name}]} for kind in ("image", "snapshot")]
    made = box.client("ec2").create_image(InstanceId=instance, Name=name, TagSpecifications=tags)
    return image(box, made["ImageId"])


def layers(box: Any) -> set[str]:
    return {folder.name for folder in (box.home / "images").iterdir()}


def test_an_image_of_an_encrypted_root_volume_is_encrypted_and_tagged_as_asked(
    box: Any, instance: str
) -> None:
    made = create(box, instance, "tagged")
    (root,) = made["BlockDeviceMappings"]
    assert (root["DeviceName"], root["Ebs"]["Encrypted"], root["Ebs"]["VolumeSize"]) == (ROOT, True, 20)
    assert (made["RootDeviceType"], made["VirtualizationType"], made["Public"]) == ("ebs", "hvm", False)
    ec2 = box.client("ec2")
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[snapshot_of(made)])["Snapshots"]
    assert (snapshot["Encrypted"], snapshot["Tags"]) == (True, [{"Key": "of", "Value": "tagged"}])
    wanted = [{"Name": "tag:of", "Values": ["tagged"]}, {"Name": "state", "Values": ["available"]}]
    (found,) = ec2.describe_images(Owners=["self"], Filters=wanted)["Images"]
    assert found["ImageId"] == made["ImageId"]


def test_a_name_that_is_in_use_or_malformed_is_refused(box: Any, instance: str) -> None:
    made = create(box, instance, "taken")
    ec2 = box.client("ec2")
    assert code_of(ec2.create_image, InstanceId=instance, Name="taken") == "InvalidAMIName.Duplicate"
    copied = {"SourceImageId": made["ImageId"], "SourceRegion": "us-east-1", "Name": "taken"}
    assert code_of(ec2.copy_image, **copied) == "InvalidAMIName.Duplicate"
    assert code_of(ec2.create_image, InstanceId=instance, Name="a;b") == "InvalidAMIName.Malformed"


def test_a_copy_and_a_registered_snapshot_boot_with_the_same_files(box: Any, instance: str) -> None:
    ec2 = box.client("ec2")
    made = create(box, instance, "source")
    copied = ec2.copy_image(SourceImageId=made["ImageId"], SourceRegion="us-east-1", Name="copy")["ImageId"]
    assert image(box, copied)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    ec2.deregister_image(ImageId=made["ImageId"])
    mapping = {"DeviceName": ROOT, "Ebs": {"SnapshotId": snapshot_of(made)}}
    registered = ec2.register_image(
        Name="registered", RootDeviceName=ROOT, BlockDeviceMappings=[mapping], VirtualizationType="hvm"
    )["ImageId"]
    assert snapshot_of(image(box, registered)) == snapshot_of(made)
    for image_id in (copied, registered):
        [launched] = box.launch(ImageId=image_id)
        assert box.ssh(launched, "cat /opt/note") == "baked\n"
        ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])


def test_a_deregistered_image_launches_nothing_and_its_files_end_with_its_snapshot(
    box: Any, instance: str
) -> None:
    ec2 = box.client("ec2")
    made = create(box, instance, "ended")
    assert made["ImageId"] in layers(box)
    used = snapshot_of(made)
    assert code_of(ec2.delete_snapshot, SnapshotId=used) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=made["ImageId"])
    assert made["ImageId"] in layers(box)
    assert code_of(box.launch, ImageId=made["ImageId"]) == "InvalidAMIID.NotFound"
    ec2.delete_snapshot(SnapshotId=used)
    assert made["ImageId"] not in layers(box)


def test_no_image_is_shared_with_everybody(box: Any, instance: str) -> None:
    ec2 = box.client("ec2")
    made = create(box, instance, "private")["ImageId"]
    everybody = {"ImageId": made, "LaunchPermission": {"Add": [{"Group": "all"}]}}
    assert code_of(ec2.modify_image_attribute, **everybody) == "OperationNotPermitted"
    older = {"ImageId": made, "Attribute": "launchPermission", "OperationType": "add", "UserGroups": ["all"]}
    assert code_of(ec2.modify_image_attribute, **older) == "OperationNotPermitted"
    state = ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"]
    assert state == "block-new-sharing"
    one = {"ImageId": made, "LaunchPermission": {"Add": [{"UserId": "111122223333"}]}}
    ec2.modify_image_attribute(**one)
    shown = ec2.describe_image_attribute(ImageId=made, Attribute="launchPermission")["LaunchPermissions"]
    assert shown == [{"UserId": "111122223333"}]


def test_an_image_of_an_instance_that_is_gone_is_refused(box: Any) -> None:
    ec2 = box.client("ec2")
    [launched] = box.launch()
    ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])
    wait_until(lambda: box.state(launched["InstanceId"]) == "terminated")
    assert code_of(ec2.create_image, InstanceId=launched["InstanceId"], Name="gone") == "IncorrectState"
