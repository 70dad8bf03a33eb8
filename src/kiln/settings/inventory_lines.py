"""An inventory with one pipeline more: one line is added, all others stay as they are, comments too."""

from __future__ import annotations

from typing import Any

import yaml

from kiln.errors import UsageError

_GROUP = "pipelines"


def with_pipeline(text: str, name: str, label: str) -> str:
    """Return an inventory's text that lists the pipeline as well. Raises UsageError when it has no place."""
    children = _children(yaml.compose(text, Loader=yaml.SafeLoader))
    if children is None:
        raise _no_place(label)
    lines = text.splitlines(keepends=True)
    if children.flow_style or not children.value:
        at = children.end_mark.line
        column = children.end_mark.column - 1
        separator = ", " if children.value else ""
        line = lines[at]
        lines[at] = f"{line[:column]}{separator}{name}: {{}}{line[column:]}"
    else:
        last_key, last_value = children.value[-1]
        # A value's end is where the next token begins: only its own lines count.
        end = last_value.end_mark.line if last_value.start_mark.line == last_key.start_mark.line else None
        if end is None or last_value.end_mark.line != last_key.start_mark.line:
            raise _no_place(label)
        if not lines[end].endswith("\n"):
            lines[end] += "\n"
        lines.insert(end + 1, f"{' ' * last_key.start_mark.column}{name}: {{}}\n")
    written = "".join(lines)
    if _names(yaml.safe_load(written)) != [*_names(yaml.safe_load(text)), name]:
        raise _no_place(label)
    return written


def _children(node: yaml.Node | None) -> yaml.MappingNode | None:
    """Return the node of the group's children, wherever the group stands in the tree."""
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == _GROUP and isinstance(value, yaml.MappingNode):
            inner = [one for name, one in value.value if name.value == "children"]
            return inner[0] if inner and isinstance(inner[0], yaml.MappingNode) else None
        found = _children(value)
        if found is not None:
            return found
    return None


def _names(tree: Any) -> list[str]:
    if not isinstance(tree, dict):
        return []
    for key, value in tree.items():
        if key == _GROUP and isinstance(value, dict):
            return [str(name) for name in value.get("children") or {}]
        found = _names(value)
        if found:
            return found
    return []


def _no_place(label: str) -> UsageError:
    return UsageError(
        f"{label} has no list of pipelines that a line can be added to",
        fix="write it as all: … children: pipelines: children: with one pipeline a line, name: {}",
    )
