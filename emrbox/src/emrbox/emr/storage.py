"""EBS volumes of nodes: as requested, or EMR's defaults (docs/aws_facts.md 2.6). Records only."""

from __future__ import annotations

from typing import Any

from emrbox.emr import instance_types, releases

Document = dict[str, Any]
MAXIMUM_VOLUMES = 25
VOLUME_TYPES = frozenset({"gp3", "gp2", "io1", "st1", "sc1", "standard"})
SIZES_GB = range(1, 1025)
LEAST_CORE_GB = 5
THROUGHPUT_MIB = range(125, 1001)
MOST_ROOT_GB = 100
# The root volume has these from a release on, and is gp2 before (botocore's model). Values: EBS User Guide.
GP3_ROOT_FROM = "6.15.0"
GP3_VALUES = {"Iops": ("IOPS", range(3000, 16_001)), "Throughput": ("MiB/s", THROUGHPUT_MIB)}
ROOT_DEVICE, FIRST_DEVICE = "/dev/xvda", "/dev/sdb"
# Volumes that an instance type without disks of its own gets when none are asked for: count, size in GiB.
DEFAULT_OF_LARGE, DEFAULT_OF_XLARGE, DEFAULT_COUNT, DEFAULT_GB_AN_XLARGE = (1, 32), (2, 32), 4, 16


def block_devices(instance_type: str, ebs: Document) -> list[Document]:
    """Return EbsBlockDevices of a group: one entry a volume of each instance, with its device name."""
    configs = ebs.get("EbsBlockDeviceConfigs", [])
    known = instance_types.by_name()[instance_type]
    if not configs and known.ebs_only:
        count, size = _default(known.xlarges)
        configs = [
            {"VolumeSpecification": {"VolumeType": "gp2", "SizeInGB": size}, "VolumesPerInstance": count}
        ]
    specifications = [
        config["VolumeSpecification"]
        for config in configs
        for _ in range(config.get("VolumesPerInstance", 1))
    ]
    letter = ord(FIRST_DEVICE[-1])
    return [
        {"VolumeSpecification": specification, "Device": f"{FIRST_DEVICE[:-1]}{chr(letter + number)}"}
        for number, specification in enumerate(specifications)
    ]


def root_volume(release_label: str, request: Document) -> Document:
    """Return the VolumeSpecification of the root volumes of a cluster that RunJobFlow has asked for."""
    volume = {
        "VolumeType": "gp2" if releases.is_before(release_label, GP3_ROOT_FROM) else "gp3",
        "SizeInGB": request.get("EbsRootVolumeSize", releases.least_root_gb(release_label)),
    }
    asked = {name: request.get(f"EbsRootVolume{name}") for name in GP3_VALUES}
    return {**volume, **{name: value for name, value in asked.items() if value is not None}}


def _default(xlarges: int) -> tuple[int, int]:
    """Return count and GiB of the default volumes; of sizes that the facts do not have, by the same rule."""
    if xlarges > 1:
        return DEFAULT_COUNT, DEFAULT_GB_AN_XLARGE * xlarges
    return DEFAULT_OF_XLARGE if xlarges else DEFAULT_OF_LARGE


def mappings(devices: list[Document]) -> list[Document]:
    """Return RunInstances' BlockDeviceMappings for EbsBlockDevices."""
    return [
        {"DeviceName": device["Device"], "Ebs": _ebs(device["VolumeSpecification"])} for device in devices
    ]


def _ebs(volume: Document) -> Document:
    asked = {
        "VolumeSize": volume["SizeInGB"],
        "VolumeType": volume["VolumeType"],
        "Iops": volume.get("Iops"),
        "Throughput": volume.get("Throughput"),
        "DeleteOnTermination": True,
    }
    return {name: value for name, value in asked.items() if value is not None}


def mistake(ebs: Document, role: str) -> str | None:
    """Return what is wrong with the EbsConfiguration of a group of this role, or None."""
    count = 0
    for config in ebs.get("EbsBlockDeviceConfigs", []):
        specification = config["VolumeSpecification"]
        count += config.get("VolumesPerInstance", 1)
        if specification["VolumeType"] not in VOLUME_TYPES:
            return f"The EBS volume type {specification['VolumeType']} is not supported."
        if specification["SizeInGB"] not in SIZES_GB:
            return "The EBS volume size must be between 1 and 1024 GiB."
        if role == "CORE" and specification["SizeInGB"] < LEAST_CORE_GB:
            return f"The EBS volume size of a CORE instance group must be at least {LEAST_CORE_GB} GiB."
        throughput = specification.get("Throughput")
        if throughput is not None and (
            specification["VolumeType"] != "gp3" or throughput not in THROUGHPUT_MIB
        ):
            return "An EBS volume's throughput must be between 125 and 1000 MiB/s, for the type gp3 only."
    return (
        f"At most {MAXIMUM_VOLUMES} EBS volumes per instance are allowed."
        if count > MAXIMUM_VOLUMES
        else None
    )
