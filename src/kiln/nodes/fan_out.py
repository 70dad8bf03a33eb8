"""All nodes at once: each at its own speed, none waits for another between items."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kiln.nodes.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.nodes.connections import Connection
    from kiln.nodes.results import NodeResult
    from kiln.nodes.work import Work

# How many nodes are connected to at the same time; key exchanges use the processor.
_CONNECTING = 32


async def apply(connections: Sequence[Connection], work: Work) -> list[NodeResult]:
    """Return a result for each node, in the order given."""
    connecting = asyncio.Semaphore(_CONNECTING)
    return await asyncio.gather(*(Session(one, work, connecting).run() for one in connections))
