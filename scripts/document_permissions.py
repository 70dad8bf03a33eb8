"""Write docs/permissions.md from iam/who_may_what.yml.

`--check` writes nothing and fails when the page is not what would be written.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import generated_pages
import yaml
from generated_pages import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TABLE = CHECKOUT / "iam/who_may_what.yml"
PAGE = CHECKOUT / "docs/permissions.md"
HEAD = """\
# Permissions

<!-- Written by scripts/document_permissions.py from iam/who_may_what.yml. -->

Who may do what to whom with the policies of [iam/](../iam/README.md), filled in for the environments `local`
and `prod` of one account. An empty cell is refused. `tests/permissions/test_who_may_what.py` tries each
cell on emrbox.

`STATE` is `kiln_state_uri`. EMR has the service role, which serves all environments of an account; nodes have
the instance profile. Names of tags in conditions ignore case: where a launch or a cluster has two tags whose
names differ in nothing else, conditions on them do not hold, and only an administrator can steer it.
"""


def page(table: Mapping[str, Any]) -> str:
    """Return the whole page."""
    people, things = table["principals"], table["things"]
    head = ["Action", "On", *(who["title"] for who in people.values())]
    parts = [HEAD]
    for section in table["sections"]:
        lines = [_line(head), _line(["---", "---", *([":-:"] * len(people))])]
        lines += [_line(cells) for row in section["rows"] for cells in _rows(row, people, things)]
        parts.append("\n".join([f"## {section['title']}", "", *lines, ""]))
    return "\n".join(parts)


def _rows(
    row: Mapping[str, Any], people: Mapping[str, Any], things: Mapping[str, Any]
) -> Iterator[list[str]]:
    """Yield the cells of a row's lines, one a thing."""
    actions = "<br>".join(f"`{action}`" for action in row["actions"]) + _tags(row.get("with"))
    for number, (thing, named) in enumerate(row["to"].items()):
        marks = ["yes" if name in named else "" for name in people]
        yield ["" if number else actions, things[thing]["title"], *marks]


def _tags(tags: Mapping[str, str] | None) -> str:
    if tags is None:
        return ""
    shown = ", ".join(f"`{key}={value}`" for key, value in tags.items()) or "no key, which means all tags"
    return f"<br>with {shown}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def pages() -> dict[Path, str]:
    """Return the page by its path."""
    return {PAGE: page(yaml.safe_load(TABLE.read_text()))}


if __name__ == "__main__":
    sys.exit(generated_pages.main(__doc__, pages))
