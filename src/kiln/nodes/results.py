"""What the nodes answered: one result an item and node, and their sum by item for people."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal

import msgspec

from kiln import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

State = Literal["ok", "changed", "failed", "unreachable"]
_MOST_NAMED = 3


class ItemResult(msgspec.Struct, frozen=True, kw_only=True):
    """One item on one node. `message` says why it failed, `diff` what has changed; both are printable."""

    item: str
    state: State
    seconds: float = 0.0
    message: str = ""
    diff: str = ""


class NodeResult(msgspec.Struct, frozen=True, kw_only=True):
    """One node. `message` says what went wrong beside its items: how the connection ended."""

    node: str
    items: tuple[ItemResult, ...] = ()
    unreachable: bool = False
    message: str = ""

    @property
    def state(self) -> State:
        """The state of the whole node."""
        if self.unreachable:
            return "unreachable"
        states = {item.state for item in self.items}
        if self.message or "failed" in states:
            return "failed"
        return "changed" if "changed" in states else "ok"

    @property
    def problem(self) -> str:
        """The item that failed and why, or how the connection ended; empty when all is well."""
        failed = [f"{item.item}: {item.message}" for item in self.items if item.state == "failed"]
        return failed[0] if failed else self.message


def failed(nodes: Iterable[NodeResult]) -> list[NodeResult]:
    """Return the nodes that are not as they should be."""
    return [node for node in nodes if node.state in {"failed", "unreachable"}]


def summary(labels: Sequence[str], nodes: Sequence[NodeResult]) -> list[str]:
    """Return a line an item, and one for each node that failed."""
    lines = [line for label in labels if (line := line_of(label, _of(label, nodes)))]
    return lines + [f"{node.node}: {node.problem}" for node in failed(nodes)]


def _of(label: str, nodes: Sequence[NodeResult]) -> list[tuple[ItemResult, str]]:
    return [(item, node.node) for node in nodes for item in node.items if item.item == label]


def line_of(label: str, found: Sequence[tuple[ItemResult, str]]) -> str:
    """Return `packages: 20 nodes changed, slowest 10.0.0.7 6.1 s` from results with their nodes."""
    by_state: dict[str, list[str]] = defaultdict(list)
    for item, node in found:
        by_state[item.state].append(node)
    if not found:
        return ""
    counts = [
        _count(state, by_state[state], len(found)) for state in ("changed", "ok", "failed") if by_state[state]
    ]
    slowest, node = max(found, key=lambda one: (one[0].seconds, one[1]))
    return f"{label}: {', '.join(counts)}, slowest {node} {slowest.seconds:.1f} s"


def _count(state: str, names: list[str], total: int) -> str:
    """Return how many nodes are in a state; the few that differ from the others are named."""
    named = f" ({', '.join(sorted(names))})" if len(names) <= _MOST_NAMED and len(names) < total else ""
    return f"{len(names)} node{'s' if len(names) > 1 else ''} {state}{named}"


def differences(label: str, nodes: Iterable[NodeResult]) -> list[tuple[str, list[str]]]:
    """Return each different diff of an item with the nodes that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        for item in node.items:
            if item.item == label and item.diff:
                found[item.diff].append(node.node)
    return list(found.items())


def shown(text: str) -> str:
    """Return a node's words for one line."""
    return printable.line_of(text)[:2000]


def shown_lines(text: str) -> str:
    """Return a node's words for several lines."""
    return printable.text_of(text)[:20_000]
