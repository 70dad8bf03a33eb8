"""EC2's instance types, with what EMR says of them, and their prices.

What they are: answers of DescribeInstanceTypes that moto comes with. On which of them a release runs is in
releases.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

X86_64, AARCH64 = "X86_64", "AARCH64"  # EMR's words (model)
_XLARGE = re.compile(r"(\d*)xlarge")
# An m1.small has one (model); that the others follow their sizes is a guess.
_UNITS_OF_AN_XLARGE = 8
_UNITS = {"small": 1, "medium": 2, "large": 4}


@dataclass(frozen=True)
class InstanceType:
    """An instance type in ListSupportedInstanceTypes, and its normalized instance hours."""

    name: str
    vcpu: int
    memory_gb: float
    architecture: str
    is_64_bits_only: bool
    disks: tuple[int, int]  # of its own: how many, and GB of each
    ebs_optimized: str  # unsupported, supported or default
    usd_per_hour: float  # on demand

    @property
    def family(self) -> str:
        """Its family and generation: m5 of m5.xlarge."""
        return _parts(self.name)[0]

    @property
    def ebs_only(self) -> bool:
        """Whether it has no disks of its own."""
        return self.disks == (0, 0)

    @property
    def xlarges(self) -> int:
        """How many times an xlarge its size is; 0 of a smaller one."""
        match = _XLARGE.fullmatch(_parts(self.name)[1])
        return int(match[1] or 1) if match else 0

    @property
    def units_per_hour(self) -> int:
        """Its normalized instance hours of an hour."""
        return _UNITS_OF_AN_XLARGE * self.xlarges or _UNITS[_parts(self.name)[1]]


def _parts(name: str) -> tuple[str, str]:
    family, _, size = name.partition(".")
    return family, size


# A guess: the prices are those of us-east-1 as remembered, USD a vCPU and hour; others cost what m5 and
# r5 cost a vCPU and GiB. What follows from them is which type is cheaper, and a bid in percent.
_USD_A_VCPU = {
    "m5": 0.048,
    "m5d": 0.0565,
    "m6i": 0.048,
    "m7i": 0.0504,
    "c5": 0.0425,
    "c6i": 0.0425,
    "r5": 0.063,
    "r5d": 0.072,
    "r6i": 0.063,
}
_OTHER_USD_A_VCPU, _OTHER_USD_A_GIB = 0.033, 0.00375


def _instance_type(name: str, described: dict[str, Any]) -> InstanceType:
    vcpu: int = described["VCpuInfo"]["DefaultVCpus"]
    memory_gb: float = described["MemoryInfo"]["SizeInMiB"] / 1024
    architectures = described["ProcessorInfo"]["SupportedArchitectures"]
    storage = described.get("InstanceStorageInfo") or {"Disks": []}
    usd_a_vcpu = _USD_A_VCPU.get(_parts(name)[0])
    return InstanceType(
        name,
        vcpu,
        memory_gb,
        AARCH64 if "arm64" in architectures else X86_64,
        is_64_bits_only="i386" not in architectures,
        disks=next(((disk["Count"], disk["SizeInGB"]) for disk in storage["Disks"]), (0, 0)),
        ebs_optimized=described["EbsInfo"].get("EbsOptimizedSupport", "default"),
        usd_per_hour=vcpu * usd_a_vcpu
        if usd_a_vcpu
        else vcpu * _OTHER_USD_A_VCPU + memory_gb * _OTHER_USD_A_GIB,
    )


@cache
def by_name() -> dict[str, InstanceType]:
    """Return the instance types, but for sizes on which EMR does not run (nano, micro, metal)."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES  # noqa: PLC0415  # --help must be quick

    return {
        name: _instance_type(name, described)
        for name, described in INSTANCE_TYPES.items()
        if _XLARGE.fullmatch(_parts(name)[1]) or _parts(name)[1] in _UNITS
    }


def bid(instance_type: str, price: str | None, percent: float | None) -> str | None:
    """Return the most that a spot instance may cost, in USD an hour; None if nothing limits it."""
    if price is not None or percent is None:
        return price
    return f"{by_name()[instance_type].usd_per_hour * percent / 100:.4f}"
