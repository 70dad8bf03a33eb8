"""The table of `kiln verify`: a line a node, a column an item of the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Of a commit people read the beginning.
_SHOWN = 16


class Row(NamedTuple):
    """One node. `items`: label -> ok, differs, failed, not reached, unreachable; empty: it was not asked."""

    address: str
    instance_id: str
    group: str
    items: Mapping[str, str]
    message: str

    @property
    def differs(self) -> bool:
        """Return whether the node may not be like the others."""
        return not self.items or set(self.items.values()) != {"ok"}


def lines(rows: Sequence[Row], expected: Mapping[str, str]) -> list[str]:
    """Return the table, and a line for each node that has something to say."""
    head = ["node", "instance", "group", *expected]
    wanted = ["expected", "", "", *(value[:_SHOWN] for value in expected.values())]
    table = [head, wanted, *(_cells(row, expected) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    problems = [f"{row.address}: {row.message}" for row in rows if row.message]
    return [line.rstrip() for line in shown] + problems


def _cells(row: Row, expected: Mapping[str, str]) -> list[str]:
    items = [row.items.get(label, "not asked") for label in expected]
    return [row.address, row.instance_id, row.group.lower(), *items]
