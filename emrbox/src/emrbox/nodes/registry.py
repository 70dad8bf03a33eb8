"""All nodes of the box, by instance id."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from emrbox.nodes.node import MetadataListener, Node, NodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emrbox.config import BoxConfig
    from emrbox.nodes.tree import NodeSpec


class NodeRegistry:
    """Holds every node from its launch until it is removed."""

    def __init__(self, config: BoxConfig, metadata: MetadataListener) -> None:
        self._config = config
        self._metadata = metadata
        self._changed = threading.Condition()
        self._nodes: dict[str, Node] = {}
        self._ready: set[str] = set()
        self._failures: dict[str, str] = {}

    def create(self, spec: NodeSpec) -> Node:
        """Add a node; it is not started yet."""
        node = Node(spec, self._config, self._metadata)
        with self._changed:
            self._nodes[spec.instance_id] = node
        return node

    def get(self, instance_id: str) -> Node:
        """Return a node; NodeError if there is none."""
        with self._changed:
            node = self._nodes.get(instance_id)
        if node is None:
            raise NodeError(self._failures.get(instance_id, f"there is no node {instance_id}"))
        return node

    def nodes(self) -> list[Node]:
        """Return all nodes."""
        with self._changed:
            return list(self._nodes.values())

    def has_address(self, address: str) -> bool:
        """Whether a node runs at this address."""
        return any(node.spec.address == address and node.is_running for node in self.nodes())

    def mark_running(self, instance_id: str) -> None:
        """Record that the node's sshd answers."""
        with self._changed:
            self._ready.add(instance_id)
            self._changed.notify_all()

    def mark_ended(self, instance_id: str, why: str) -> None:
        """Record that the node does not run, and why; it can be started again."""
        with self._changed:
            self._ready.discard(instance_id)
            self._failures[instance_id] = why
            self._changed.notify_all()

    def remove(self, instance_id: str, why: str) -> None:
        """Remove a node after its end."""
        self.mark_ended(instance_id, why)
        with self._changed:
            self._nodes.pop(instance_id, None)

    def wait_running(self, instance_ids: Iterable[str], timeout_seconds: float) -> None:
        """Return when all these nodes run; NodeError as soon as one has ended, or after the time."""
        wanted = set(instance_ids)
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while missing := wanted - self._ready:
                ended = [self._failures[i] for i in sorted(missing) if i in self._failures]
                if ended:
                    raise NodeError(ended[0])
                left = deadline - time.monotonic()
                if left <= 0:
                    names = ", ".join(sorted(missing))
                    raise NodeError(f"not running after {timeout_seconds:.0f} s: {names}")
                self._changed.wait(left)
