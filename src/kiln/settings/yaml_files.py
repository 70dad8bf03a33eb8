"""YAML of settings, inventories and vaults, read as it stands, with errors that name file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from kiln.errors import UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from pathlib import Path


_MERGE = "tag:yaml.org,2002:merge"


class Tagged(str):
    """A value with a YAML tag of Ansible's (!vault, !unsafe): nothing can be said about it here."""

    __slots__ = ()


class _Loader(yaml.CSafeLoader):
    """libyaml's loader, which takes a tenth of the time of Python's, and passes Ansible's tags by."""


_Loader.add_multi_constructor("!", lambda _loader, suffix, _node: Tagged(suffix))


class Parsed(NamedTuple):
    """A YAML document. `lines`: place, such as `steps[0].name`, to its line, from 1 on.

    `repeated`: an error for each key that a mapping has twice. YAML forbids it; PyYAML and Ansible take
    the last one.
    """

    content: Any
    lines: dict[str, int]
    repeated: list[UsageError]


def role_file(path: Path) -> dict[str, Any]:
    """Return the mapping that a file of this checkout's roles holds; an empty one where there is nothing."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) or {}  # noqa: S506  # a safe loader


def read_yaml(path: Path, label: str, *, secret: bool = False) -> Any:
    """Return a YAML file's content. Raises UsageError that names file and line."""
    return _accepted(read_parsed(path, label, secret=secret))


def read_parsed(path: Path, label: str, *, secret: bool = False) -> Parsed:
    """Return a YAML file with the lines of its keys. Raises UsageError as `parsed` does."""
    try:
        return parsed(path.read_text(encoding="utf-8"), label, secret=secret)
    except OSError as error:
        raise UsageError(
            f"{label} cannot be read: {error.strerror}", fix="correct the path, or make the file readable"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{label} is not text in UTF-8 (byte {error.start})", fix="save the file as UTF-8"
        ) from error


def parse_yaml(text: str, label: str, *, secret: bool = False) -> Any:
    """Read YAML. Raises UsageError that names where it stands, and the line when there are several.

    `secret`: the text may hold secrets, and nothing of it is shown. PyYAML's messages quote values.
    """
    return _accepted(parsed(text, label, secret=secret))


def _accepted(found: Parsed) -> Any:
    if found.repeated:
        raise found.repeated[0]
    return found.content


def parsed(text: str, label: str, *, secret: bool = False) -> Parsed:
    """Read YAML with the lines of its keys. Raises UsageError as `parse_yaml` does, not for repeated keys."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines, repeated = _lines(node, label, secret=secret)
            return Parsed(loader.construct_document(node) if node else None, lines, repeated)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: 2026-99-99 is no date
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark and "\n" in text else ""
        if secret:
            raise UsageError(f"{label}{line} is not valid YAML", fix="correct that line") from None
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise UsageError(f"{label}{line} is not valid YAML: {problem}", fix="correct that line") from error


def _lines(root: yaml.Node | None, label: str, *, secret: bool) -> tuple[dict[str, int], list[UsageError]]:
    """Return place -> line, and the keys that stand twice. A node that an alias names again is read once."""
    lines: dict[str, int] = {}
    repeated: list[UsageError] = []
    pending, seen = [("", root)], set[int]()
    while pending:
        place, node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for at, one in enumerate(node.value):
                lines[f"{place}[{at}]"] = one.start_mark.line + 1
                pending.append((f"{place}[{at}]", one))
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                    continue
                within, line = names.below(place, key.value), key.start_mark.line + 1
                lines[within] = line
                pending.append((within, value))
                if key.value in first:
                    which = "a key" if secret else within
                    repeated.append(
                        UsageError(
                            f"{label}:{line}: {which} is set twice, first in line {first[key.value]}",
                            fix="remove one of them: only the last one counts",
                        )
                    )
                first.setdefault(key.value, line)
    return lines, repeated
