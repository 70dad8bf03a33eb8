"""From an address to the network that it is known by: the longest registered prefix, or a block inside it."""

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

import radix

UNREGISTERED_PREFIX_LENGTH = 24


def registry_tree(registrations: Iterable[str]) -> Any:
    """Build the radix tree of registered prefixes such as `10.1.0.0/16`. The tree can be pickled."""
    tree = radix.Radix()
    for prefix in registrations:
        tree.add(prefix)
    return tree


def known_network(tree: Any, address: str, *, shared_prefix_length: int, block_prefix_length: int) -> str:
    """Return the network that a sender at `address` is known by.

    A registration of at least `shared_prefix_length` bits is one holder's network and is taken whole. A
    larger one belongs to a provider (cloud, web hosting, access): there the sender is known by its block of
    `block_prefix_length` bits. An address that nobody registered is known by its /24.
    """
    found = tree.search_best(address)
    if found is None:
        return str(IPv4Network((address, UNREGISTERED_PREFIX_LENGTH), strict=False))
    if found.prefixlen >= shared_prefix_length:
        return str(found.prefix)
    return str(IPv4Network((address, block_prefix_length), strict=False))
