"""Which instance types there are, with what EMR says of them, and their prices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InstanceType:
    """An instance type in ListSupportedInstanceTypes, and its normalized instance hours."""

    name: str
    vcpu: int
    memory_gb: float
    units_per_hour: int
    usd_per_hour: float  # on demand
    disks: tuple[int, int] = (0, 0)  # of its own: how many, and GB of each

    @property
    def ebs_only(self) -> bool:
        """Whether it has no disks of its own."""
        return self.disks == (0, 0)


# Of all families here: vCPUs, normalized units, and the disks of those that have some ("d").
_SIZES = {
    "xlarge": (4, 8, (1, 150)),
    "2xlarge": (8, 16, (1, 300)),
    "4xlarge": (16, 32, (2, 300)),
    "8xlarge": (32, 64, (2, 600)),
}


def _family(family: str, gb_per_vcpu: float, usd_per_vcpu: float) -> list[InstanceType]:
    return [
        InstanceType(
            f"{family}.{size}",
            vcpu,
            vcpu * gb_per_vcpu,
            units,
            vcpu * usd_per_vcpu,
            disks if family.endswith("d") else (0, 0),
        )
        for size, (vcpu, units, disks) in _SIZES.items()
        if not (family == "c5" and size == "8xlarge")  # EC2 has c5.9xlarge in its place
    ]


# A guess: the prices are those of us-east-1 as remembered. What follows from them is which type is cheaper,
# and a bid in percent.
INSTANCE_TYPES = {
    t.name: t
    for t in [
        *_family("m5", 4, 0.048),
        *_family("m5d", 4, 0.0565),
        *_family("m6i", 4, 0.048),
        *_family("m7i", 4, 0.0504),
        *_family("c5", 2, 0.0425),
        *_family("c6i", 2, 0.0425),
        *_family("r5", 8, 0.063),
        *_family("r5d", 8, 0.072),
        *_family("r6i", 8, 0.063),
    ]
}


def bid(instance_type: str, price: str | None, percent: float | None) -> str | None:
    """Return the most that a spot instance may cost, in USD an hour; None if nothing limits it."""
    if price is not None or percent is None:
        return price
    return f"{INSTANCE_TYPES[instance_type].usd_per_hour * percent / 100:.4f}"
