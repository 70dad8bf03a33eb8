"""What EC2's calls about images do beyond moto's records: unique names, encryption, no public sharing.

Sources: EC2 API Reference, CreateImage, CopyImage, RegisterImage, ModifyImageAttribute,
GetImageBlockPublicAccessState; EC2 User Guide, "Block public access to your AMIs".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidSnapshotIdError
from moto.ec2.models.amis import Ami
from moto.ec2.responses.amis import AmisResponse

if TYPE_CHECKING:
    from emrbox.aws.instances import RealInstances

# 3 to 128 of these characters (CreateImage, Name).
_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
# The state of new accounts since October 2023.
_BLOCKED = "block-new-sharing"


class Accounts(Protocol):
    """The instances of each account."""

    def of(self, backend: Any) -> RealInstances | None:
        """Return the account's instances; None in a region without any."""


def complete(accounts: Accounts) -> None:
    """Make moto's calls about images do this from now on."""
    Ami.block_device_mappings = property(_block_device_mappings)
    for name in ("create_image", "copy_image", "register_image"):
        _check_name(name)
    _encrypt_copies()
    _register_from_snapshot(accounts)
    _refuse_public_sharing()


def _block_device_mappings(ami: Ami) -> list[dict[str, Any]]:
    snapshot = ami.ebs_snapshot
    root = {
        "SnapshotId": snapshot.id,
        "VolumeSize": snapshot.volume.size,
        "DeleteOnTermination": True,
        "VolumeType": "gp3",
        "Encrypted": snapshot.encrypted,
    }
    return [{"DeviceName": ami.root_device_name, "Ebs": root}]


def _check_name(operation: str) -> None:
    before = getattr(AmisResponse, operation)

    def checked(response: Any) -> Any:
        name = response._get_param("Name") or ""  # noqa: SLF001  # moto's own way
        if not _NAME.fullmatch(name):
            raise EC2ClientError(
                "InvalidAMIName.Malformed",
                "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
                "'(', ')', '.', '-', '/' and '_'",
            )
        backend = response.ec2_backend
        for ami in list(backend.amis.values()):
            if ami.name == name and ami.owner_id == backend.account_id:
                raise EC2ClientError(
                    "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {ami.id}"
                )
        return before(response)

    setattr(AmisResponse, operation, checked)


def _encrypt_copies() -> None:
    """CopyImage with Encrypted makes an encrypted snapshot; a copy of an encrypted image is always one."""
    before = AmisResponse.copy_image

    def copy_image(response: Any) -> Any:
        answer = before(response)
        amis = response.ec2_backend.amis
        source = amis.get(response._get_param("SourceImageId"))  # noqa: SLF001  # moto's own way
        snapshot = amis[answer.result["ImageId"]].ebs_snapshot
        asked = response._get_bool_param("Encrypted", False)  # noqa: SLF001, FBT003  # moto's own way
        snapshot.encrypted = asked or (source is not None and source.ebs_snapshot.encrypted)
        return answer

    AmisResponse.copy_image = copy_image


def _register_from_snapshot(accounts: Accounts) -> None:
    """RegisterImage with the snapshot of an image makes an image of the same files."""
    before = AmisResponse.register_image

    def register_image(response: Any) -> Any:
        backend = response.ec2_backend
        mappings = response._get_param("BlockDeviceMappings", [])  # noqa: SLF001  # moto's own way
        ids = [one.get("Ebs", {}).get("SnapshotId") for one in mappings]
        snapshot = next((backend.snapshots[one] for one in ids if one in backend.snapshots), None)
        if snapshot is None:
            raise InvalidSnapshotIdError
        answer = before(response)
        ami = backend.amis[answer.result["ImageId"]]
        real = accounts.of(backend)
        if real is not None:
            real.images.register(ami, snapshot.id)
        backend.snapshots.pop(ami.ebs_snapshot.id)  # what moto makes for every image
        ami.ebs_snapshot = snapshot
        ami.architecture = response._get_param("Architecture", "x86_64")  # noqa: SLF001  # moto's own way
        ami.virtualization_type = response._get_param("VirtualizationType", "hvm")  # noqa: SLF001
        ami.root_device_type, ami.root_device_name = "ebs", mappings[ids.index(snapshot.id)]["DeviceName"]
        return answer

    AmisResponse.register_image = register_image


def _refuse_public_sharing() -> None:
    """Block public access for AMIs is on, as in new accounts; nothing switches it off here."""
    before = AmisResponse.modify_image_attribute

    def modify_image_attribute(response: Any) -> Any:
        added = response._get_param("LaunchPermission", {}).get("Add", [])  # noqa: SLF001  # moto's own way
        groups = [one.get("Group") for one in added]
        if response._get_param("OperationType") == "add":  # noqa: SLF001  # the older form
            groups += response._get_param("UserGroups", [])  # noqa: SLF001
        if "all" in groups:
            raise EC2ClientError(
                "OperationNotPermitted",
                "You can't publicly share this image because block public access for AMIs is enabled "
                "for this account in this Region.",
            )
        return before(response)

    def get_image_block_public_access_state(_: Any) -> ActionResult:
        return ActionResult({"ImageBlockPublicAccessState": _BLOCKED, "ManagedBy": "account"})

    AmisResponse.modify_image_attribute = modify_image_attribute
    AmisResponse.get_image_block_public_access_state = get_image_block_public_access_state
