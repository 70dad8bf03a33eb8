"""The address plan. All of it lies in 10.0.0.0/8, so that no real network is blamed for anything."""

from dataclasses import dataclass
from ipaddress import IPv4Network

import numpy as np

from planted.arrays import Ints

_SPACE = IPv4Network("10.0.0.0/8")


@dataclass(frozen=True)
class Network:
    """A block of addresses as somebody uses it; `base` is its first address as an integer."""

    base: int
    prefix_length: int

    @property
    def size(self) -> int:
        """Number of addresses."""
        return 1 << (32 - self.prefix_length)

    def __str__(self) -> str:
        """Return the block as `10.1.0.0/24`."""
        return str(IPv4Network((self.base, self.prefix_length)))


class AddressSpace:
    """Hands out blocks that do not overlap, and keeps the registry: which block belongs to whom."""

    def __init__(self) -> None:
        self._next = int(_SPACE.network_address)
        self.registrations: list[tuple[Network, str]] = []

    def register(self, prefix_length: int, holder: str) -> Network:
        """Allocate the next free block of that size. Raises RuntimeError when the space is used up."""
        size = 1 << (32 - prefix_length)
        base = -(-self._next // size) * size
        if base + size > int(_SPACE.broadcast_address) + 1:
            raise RuntimeError("the address plan does not fit into 10.0.0.0/8")
        self._next = base + size
        network = Network(base, prefix_length)
        self.registrations.append((network, holder))
        return network


def carve(random: np.random.Generator, within: Network, prefix_length: int, taken: set[int]) -> Network:
    """Rent out a part of a provider's block; the registry keeps showing the provider only."""
    size = 1 << (32 - prefix_length)
    while True:
        base = within.base + size * int(random.integers(0, within.size // size))
        if base not in taken:
            taken.add(base)
            return Network(base, prefix_length)


def address_texts(addresses: Ints) -> tuple[list[str], Ints]:
    """Return the distinct addresses as text, and for every address its place in that list."""
    distinct, places = np.unique(addresses, return_inverse=True)
    texts = [f"{a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}" for a in distinct.tolist()]
    return texts, places.astype(np.int64)
