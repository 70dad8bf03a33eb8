"""What moto's RunInstances leaves out of the volumes of new instances: IOPS and throughput. Records only."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from moto.ec2.models.instances import Instance
from moto.ec2.responses.instances import InstanceResponse

# The EBS block devices of the request that is being served, by device name, as it has them.
_asked: ContextVar[dict[str, dict[str, Any]] | None] = ContextVar("asked", default=None)


def complete() -> None:
    """Make moto's RunInstances do this from now on. What a volume's type cannot have is refused."""
    before = InstanceResponse.run_instances

    def run_instances(response: Any) -> Any:
        mappings = response._get_param("BlockDeviceMappings", [])  # noqa: SLF001  # moto's own way
        reset = _asked.set({one.get("DeviceName"): one.get("Ebs", {}) for one in mappings})
        try:
            return before(response)
        finally:
            _asked.reset(reset)

    def add_block_device(  # noqa: PLR0917  # as in moto
        instance: Any,
        size: int,
        device_path: str,
        snapshot_id: str | None,
        encrypted: bool,  # noqa: FBT001  # as in moto
        delete_on_termination: bool,  # noqa: FBT001  # as in moto
        kms_key_id: str | None,
        volume_type: str | None,
    ) -> None:
        asked = (_asked.get() or {}).get(device_path, {})
        volume = instance.ec2_backend.create_volume(
            size=size,
            zone_name=instance._placement.zone,  # noqa: SLF001  # as in moto
            snapshot_id=snapshot_id,
            encrypted=encrypted,
            kms_key_id=kms_key_id,
            volume_type=volume_type,
            iops=asked.get("Iops"),
            throughput=asked.get("Throughput"),
        )
        instance.ec2_backend.attach_volume(volume.id, instance.id, device_path, delete_on_termination)

    InstanceResponse.run_instances = run_instances
    Instance.add_block_device = add_block_device
